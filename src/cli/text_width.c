#include "cli/text_width.h"

#include <locale.h>
#include <stdlib.h>
#include <wchar.h>

void wr_text_locale(void)
{
    /* A terminal of this century: the C locale of a minimal system would show bytes. */
    if (!setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1)
        (void)!setlocale(LC_CTYPE, "C.UTF-8");
}

/* Bytes of the first character, at least 1, and its columns. */
static size_t step(const char *text, size_t len, size_t *ret_columns)
{
    mbstate_t state = {0};
    wchar_t c = 0;
    size_t n = mbrtowc(&c, text, len, &state);

    *ret_columns = 1;
    if (n == 0 || n > len)
        return 1;
    int columns = wcwidth(c);
    if (columns >= 0)
        *ret_columns = (size_t)columns;
    return n;
}

size_t wr_text_width(const char *text, size_t len)
{
    size_t total = 0, columns = 0;

    for (size_t at = 0; at < len; total += columns)
        at += step(text + at, len - at, &columns);
    return total;
}

size_t wr_text_fit(const char *text, size_t len, size_t columns)
{
    size_t total = 0, own = 0, at = 0;

    while (at < len) {
        size_t n = step(text + at, len - at, &own);
        if (total + own > columns)
            break;
        total += own;
        at += n;
    }
    return at;
}
