/* A request target: what decodes has no NUL and no dot segment, and encodes back to something that
 * decodes to the same. */
#include "fuzz.h"
#include "http/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[4096], encoded[3 * 4096], again[4096], value[256];
    const char *query = NULL, *rest = NULL;
    size_t query_len = 0, rest_len = 0;
    struct wr_error err;

    if (wr_uri_split((const char *)data, size, path, sizeof(path), &query, &query_len, &err) == 0) {
        HOLDS(path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./"));
        HOLDS(query + query_len == (const char *)data + size);
        HOLDS(wr_uri_encode(path, encoded, sizeof(encoded)));
        HOLDS(wr_uri_split(encoded, strlen(encoded), again, sizeof(again), &rest, &rest_len,
                           &err) == 0);
        HOLDS(strcmp(path, again) == 0 && rest_len == 0);
        int r = wr_uri_query_get(query, query_len, "path", value, sizeof(value), &err);
        HOLDS(r == 0 || r == 1 || r == -WR_E_INVALID_ARGUMENT);
        HOLDS(r != 1 || strlen(value) < sizeof(value));
    }
    return 0;
}
