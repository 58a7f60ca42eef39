/* The filter of a list: what is read matches itself, and nothing matches less than it asks for. */
#include "fuzz.h"
#include "json/jread.h"
#include "server/api/metadata_filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[4096];
    wr_auto_json *filter = NULL;
    struct wr_error err = {0};

    if (size >= sizeof(text) || memchr(data, '\0', size))
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    int r = wr_metadata_filter_parse(text, &filter, &err);
    HOLDS(r == 0 || (r == -WR_E_INVALID_ARGUMENT && !filter));
    if (r < 0)
        return 0;
    HOLDS(wr_metadata_filter_match(filter, filter));
    HOLDS(wr_metadata_filter_match(filter, NULL) == (json_object_size(filter) == 0));
    return 0;
}
