#include "base/options.h"

#include <string.h>

#define MAX_SIZE 4096 /* of any struct of options, bytes */

int wr_options_read(const void *opts, void *ret, size_t size, const char *what,
                    struct wr_error *err)
{
    const unsigned char *bytes = opts;
    size_t given = 0;

    if (opts) {
        memcpy(&given, opts, sizeof given);
        if (given < sizeof given || given > MAX_SIZE)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "struct %s: struct_size is not set; WR_OPTS() does it", what);
    }
    for (size_t i = size; i < given; i++)
        if (bytes[i] != 0)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "struct %s has an option that this version of libwarren does not know",
                           what);
    memset(ret, 0, size);
    if (opts)
        memcpy(ret, opts, given < size ? given : size);
    memcpy(ret, &size, sizeof size);
    return 0;
}
