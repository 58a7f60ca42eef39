/* The query of a request. The first line is the name that is asked for, the rest the query. */
#include "fuzz.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[32], small[4], value[1024];
    struct wr_error err;
    const uint8_t *line = memchr(data, '\n', size);
    size_t name_len = line ? (size_t)(line - data) : 0;

    if (!line || name_len >= sizeof(name) || memchr(data, '\0', name_len))
        return 0;
    memcpy(name, data, name_len);
    name[name_len] = '\0';
    const char *query = (const char *)line + 1;
    size_t len = size - name_len - 1;
    int r = wr_uri_query_get(query, len, name, value, sizeof(value), &err);
    HOLDS(r == 0 || r == 1 || r == -WR_E_INVALID_ARGUMENT);
    HOLDS(r != 1 || strlen(value) < sizeof(value));
    /* Less room changes only whether it fits. */
    int s = wr_uri_query_get(query, len, name, small, sizeof(small), &err);
    HOLDS((r == 0) == (s == 0));
    HOLDS(s != 1 || (r == 1 && strcmp(small, value) == 0));
    HOLDS(r != 1 || s == 1 || strlen(value) >= sizeof(small));
    return 0;
}
