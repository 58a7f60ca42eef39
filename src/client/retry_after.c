#include "client/retry_after.h"

#include <stdio.h>
#include <time.h>

#include "base/parse.h"
#include "base/str.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT", the one form that may still be sent; seconds since 1970, or -1.
 */
static int64_t read_date(const char *text)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4] = "", zone[4] = "";
    struct tm tm = {0};
    int end = 0;

    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3s%n", &tm.tm_mday, month,
               &tm.tm_year, &tm.tm_hour, &tm.tm_min, &tm.tm_sec, zone, &end) != 7 ||
        text[end] != '\0' || !wr_streq(zone, "GMT") || strlen(month) != 3)
        return -1;
    const char *found = strstr(months, month);
    if (!found || (found - months) % 3 != 0 || tm.tm_year < 1970 || tm.tm_mday < 1 ||
        tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 ||
        tm.tm_sec < 0 || tm.tm_sec > 60)
        return -1;
    tm.tm_mon = (int)((found - months) / 3);
    tm.tm_year -= 1900;
    return timegm(&tm);
}

uint32_t wr_retry_after_ms(const char *value, const char *date, uint64_t wall_ms)
{
    const int64_t max_s = WR_RETRY_AFTER_MAX_MS / 1000;
    uint64_t seconds = 0;

    if (wr_str_only(value, "0123456789", 1, 64))
        return wr_parse_u64(value, 0, (uint64_t)max_s, &seconds) < 0 ? WR_RETRY_AFTER_MAX_MS
                                                                     : (uint32_t)seconds * 1000;
    int64_t then = read_date(value), now = date ? read_date(date) : -1;
    if (now < 0)
        now = (int64_t)(wall_ms / 1000);
    if (then <= now)
        return 0;
    return (uint32_t)WR_MIN(then - now, max_s) * 1000;
}
