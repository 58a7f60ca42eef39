#include "base/clock.h"

#include <time.h>

static uint64_t read_us(clockid_t clock)
{
    struct timespec ts = {0};
    (void)clock_gettime(clock, &ts); /* cannot fail for these two clocks */
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t wr_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

uint64_t wr_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t wr_mono_end_ms(uint64_t timeout_ms)
{
    uint64_t end_ms = 0;

    return __builtin_add_overflow(wr_mono_ms(), timeout_ms, &end_ms) ? UINT64_MAX : end_ms;
}

uint64_t wr_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000;
}

static char *put_digits(char *out, uint64_t value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + count;
}

/* 9999-12-31T23:59:59.999Z: later times do not fit the format. */
#define LAST_MS 253402300799999

/* Not gmtime_r: glibc's reads the time zone file, which the agent must not. */
void wr_format_rfc3339(uint64_t wall_ms, char out[static 25])
{
    wall_ms = WR_MIN(wall_ms, (uint64_t)LAST_MS);
    uint64_t seconds = wall_ms / 1000, days = seconds / 86400, in_day = seconds % 86400;

    /* Days since 0000-03-01 in eras of 400 years: the leap day is the last day of such a year. */
    uint64_t z = days + 719468;
    uint64_t day_of_era = z % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t shifted_month = (5 * day_of_year + 2) / 153; /* 0 = March */
    uint64_t day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    uint64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    uint64_t year = year_of_era + z / 146097 * 400 + (month <= 2);

    char *p = put_digits(out, year, 4);
    *p++ = '-';
    p = put_digits(p, month, 2);
    *p++ = '-';
    p = put_digits(p, day, 2);
    *p++ = 'T';
    p = put_digits(p, in_day / 3600, 2);
    *p++ = ':';
    p = put_digits(p, in_day / 60 % 60, 2);
    *p++ = ':';
    p = put_digits(p, in_day % 60, 2);
    *p++ = '.';
    p = put_digits(p, wall_ms % 1000, 3);
    *p++ = 'Z';
    *p = '\0';
}
