#include "base/rfc3339.h"

#include <errno.h>
#include <stdbool.h>

/* Exactly `count` digits; moves *s behind them. -1 otherwise. */
static int digits(const char **s, int count)
{
    int value = 0;

    for (int i = 0; i < count; i++, (*s)++) {
        if (**s < '0' || **s > '9')
            return -1;
        value = value * 10 + (**s - '0');
    }
    return value;
}

static bool skip(const char **s, char a, char b)
{
    if (**s != a && **s != b)
        return false;
    (*s)++;
    return true;
}

static int days_in(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

static int64_t days_since_1970(int year, int month, int day)
{
    /* Years begin in March, so that the leap day is the last one. */
    int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool read_date(const char **s, int64_t *ret_days)
{
    int year = digits(s, 4), month = -1, day = -1;

    if (year >= 0 && skip(s, '-', '-'))
        month = digits(s, 2);
    if (month >= 1 && month <= 12 && skip(s, '-', '-'))
        day = digits(s, 2);
    if (day < 1 || day > days_in(year, month))
        return false;
    *ret_days = days_since_1970(year, month, day);
    return true;
}

/* "hh:mm". */
static bool read_minutes(const char **s, int *ret)
{
    int hour = digits(s, 2), minute = -1;

    if (hour >= 0 && hour <= 23 && skip(s, ':', ':'))
        minute = digits(s, 2);
    if (minute < 0 || minute > 59)
        return false;
    *ret = hour * 60 + minute;
    return true;
}

static bool read_fraction(const char **s, int64_t *ret_us)
{
    int64_t unit = 100000;

    if (!skip(s, '.', ','))
        return true;
    if (**s < '0' || **s > '9')
        return false;
    for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
        *ret_us += (**s - '0') * unit;
    return true;
}

/* "Z" or "+hh:mm". */
static bool read_offset(const char **s, int *ret_minutes)
{
    bool west = **s == '-';

    *ret_minutes = 0;
    if (skip(s, 'Z', 'z'))
        return true;
    if (!skip(s, '+', '-') || !read_minutes(s, ret_minutes))
        return false;
    if (west)
        *ret_minutes = -*ret_minutes;
    return true;
}

int wr_parse_rfc3339(const char *s, uint64_t *ret_us)
{
    int64_t days = 0, us = 0;
    int minutes = 0, seconds = -1, offset = 0;

    if (!read_date(&s, &days) || (!skip(&s, 'T', 't') && !skip(&s, ' ', ' ')) ||
        !read_minutes(&s, &minutes) || !skip(&s, ':', ':'))
        return -EINVAL;
    seconds = digits(&s, 2);
    /* 60: a leap second, which is the next minute's first. */
    if (seconds < 0 || seconds > 60 || !read_fraction(&s, &us) || !read_offset(&s, &offset) || *s)
        return -EINVAL;
    int64_t total = days * 86400 + (int64_t)(minutes - offset) * 60 + seconds;
    if (total < 0)
        return -EINVAL;
    *ret_us = (uint64_t)total * 1000000 + (uint64_t)us;
    return 0;
}
