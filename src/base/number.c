#include "base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_CHARS "0123456789+-e"

/* A library runs in programs with locales, whose decimal point may have any number of bytes. */
static void make_point(char *text)
{
    char *mark = text + strspn(text, NUMBER_CHARS);
    size_t len = strcspn(mark, NUMBER_CHARS);

    if (len == 0)
        return;
    *mark = '.';
    memmove(mark + 1, mark + len, strlen(mark + len) + 1);
}

void wr_format_double(double value, char out[static WR_DOUBLE_TEXT])
{
    if (!isfinite(value)) {
        (void)snprintf(out, WR_DOUBLE_TEXT, "%s",
                       isnan(value) ? "NaN"
                       : value > 0  ? "+Inf"
                                    : "-Inf");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, WR_DOUBLE_TEXT, "%.*g", digits, value);
        /* Bits, not values: -0 is not 0. */
        double again = strtod(out, NULL);
        if (memcmp(&again, &value, sizeof value) == 0)
            break;
    }
    make_point(out);
}
