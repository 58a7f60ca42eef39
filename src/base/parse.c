#include "base/parse.h"

#include <errno.h>
#include <stdbool.h>

#include "base/str.h"

/* Reads decimal digits at *s and moves it behind them. */
static int read_digits(const char **s, uint64_t *ret)
{
    const char *p = *s;
    uint64_t value = 0;
    bool overflow = false;
    if (*p < '0' || *p > '9')
        return -EINVAL;
    for (; *p >= '0' && *p <= '9'; p++)
        overflow = overflow || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
                   __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value);
    *s = p;
    if (overflow)
        return -ERANGE;
    *ret = value;
    return 0;
}

/* Digits to the end of the text; what else stands there wins over being too large. */
static int read_whole(const char *s, uint64_t *ret)
{
    uint64_t value = 0;
    int r = read_digits(&s, &value);
    if (r == -EINVAL || *s != '\0')
        return -EINVAL;
    if (r == 0)
        *ret = value;
    return r;
}

int wr_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
    uint64_t value = 0;
    int r = read_whole(s, &value);
    if (r < 0)
        return r;
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

int wr_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    bool negative = *s == '-';
    uint64_t magnitude = 0;
    int r = read_whole(s + negative, &magnitude);
    if (r < 0)
        return r;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return -ERANGE;
    /* Unsigned negation: INT64_MIN has no positive counterpart. */
    int64_t value = (int64_t)(negative ? 0 - magnitude : magnitude);
    if (value < min || value > max)
        return -ERANGE;
    *ret = value;
    return 0;
}

struct unit {
    const char *suffix;
    uint64_t factor; /* at most 2^40: the fraction below has 6 digits (20 bits) */
};

#define MAX_FRACTION_DIGITS 6

/* "12" or "1.5": the part behind the dot as digits over *ret_scale. */
static int read_decimal(const char **s, uint64_t *ret_whole, uint64_t *ret_fraction,
                        uint64_t *ret_scale)
{
    uint64_t whole = 0, fraction = 0, scale = 1;
    int r = read_digits(s, &whole);
    if (r == 0 && **s == '.') {
        const char *start = ++*s;
        r = read_digits(s, &fraction);
        if (*s - start > MAX_FRACTION_DIGITS)
            r = -EINVAL;
        for (const char *p = start; r == 0 && p < *s; p++)
            scale *= 10;
    }
    if (r < 0)
        return r;
    *ret_whole = whole;
    *ret_fraction = fraction;
    *ret_scale = scale;
    return 0;
}

/* A decimal number and one of the suffixes; rounds down. The last unit has no suffix. */
static int parse_with_unit(const char *s, const struct unit *units, uint64_t *ret)
{
    uint64_t whole = 0, fraction = 0, scale = 1;
    int r = read_decimal(&s, &whole, &fraction, &scale);
    if (r < 0)
        return r;
    const struct unit *unit = units;
    while (*unit->suffix != '\0' && !wr_strcaseeq(unit->suffix, s))
        unit++;
    if (*unit->suffix == '\0' && *s != '\0')
        return -EINVAL;
    if (unit->factor == 1 && scale > 1)
        return -EINVAL;
    uint64_t value = 0;
    if (__builtin_mul_overflow(whole, unit->factor, &value) ||
        __builtin_add_overflow(value, fraction * unit->factor / scale, &value))
        return -ERANGE;
    *ret = value;
    return 0;
}

int wr_parse_size(const char *s, uint64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"k", WR_KIB},
        {"kb", WR_KIB},
        {"kib", WR_KIB},
        {"m", WR_MIB},
        {"mb", WR_MIB},
        {"mib", WR_MIB},
        {"g", WR_GIB},
        {"gb", WR_GIB},
        {"gib", WR_GIB},
        {"t", WR_GIB * 1024},
        {"tb", WR_GIB * 1024},
        {"tib", WR_GIB * 1024},
        {"b", 1},
        {"", 1},
    };
    return parse_with_unit(s, units, ret_bytes);
}

int wr_parse_duration(const char *s, uint64_t *ret_ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 60 * 60 * 1000}, {"", 1000},
    };
    return parse_with_unit(s, units, ret_ms);
}

int wr_parse_cpu(const char *s, uint64_t *ret_millis)
{
    static const struct unit units[] = {{"", 1000}};
    return parse_with_unit(s, units, ret_millis);
}

void wr_format_size(uint64_t bytes, char *out, size_t cap)
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    size_t i = 0;
    uint64_t unit = 1;
    while (i + 1 < WR_ARRAY_SIZE(names) && bytes / unit >= 1024) {
        unit *= 1024;
        i++;
    }
    uint64_t whole = bytes / unit;
    uint64_t tenths = (bytes % unit * 10 + unit / 2) / unit;
    if (tenths == 10) {
        whole++;
        tenths = 0;
    }
    if (whole == 1024 && i + 1 < WR_ARRAY_SIZE(names)) {
        whole = 1;
        i++;
    }
    /* A smaller array gets what fits: this text is for people only. */
    if (i == 0)
        (void)!wr_strformat(out, cap, "%llu B", (unsigned long long)whole);
    else
        (void)!wr_strformat(out, cap, "%llu.%llu %s", (unsigned long long)whole,
                            (unsigned long long)tenths, names[i]);
}
