#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "warren/base.h"

void wr_free(void *memory)
{
    free(memory);
}

void wr_free_ptr(void *pointer_to_pointer)
{
    /* The argument is a `T **` of any T; memcpy reads it without a cast between pointer types. */
    void *p = NULL;
    memcpy(&p, pointer_to_pointer, sizeof(p));
    free(p);
}

void *wr_calloc(size_t count, size_t size)
{
    size_t total = 0;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return calloc(1, WR_MAX(total, (size_t)1));
}

char *wr_strdup(const char *s)
{
    return strdup(s);
}

char *wr_strndup(const char *s, size_t len)
{
    /* Not strndup(): sanitizers take what it is given for a string that ends. */
    size_t n = strnlen(s, len);
    char *copy = malloc(n + 1);

    if (!copy)
        return NULL;
    memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *wr_asprintf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&s, fmt, ap);
    va_end(ap);
    return n < 0 ? NULL : s;
}
