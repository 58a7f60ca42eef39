#include "rpc/timestamp.h"

#include "base/str.h"

#define DAY_S       86400
#define YEAR_1_S    (-62135596800LL) /* 0001-01-01T00:00:00Z */
#define YEAR_9999_S 253402300799LL   /* 9999-12-31T23:59:59Z */
#define SECOND_NS   1000000000U

/* Days since 1970 of a date of the Gregorian calendar, and back. Years begin in March, so that the
 * leap day is the last one; an era has 400 years, or 146097 days. */
static int64_t to_days(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = y / 400; /* years are positive here */
    int year_of_era = y - era * 400;
    int day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return (int64_t)era * 146097 + day_of_era - 719468;
}

static void from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t shifted = days + 719468; /* since 0000-03-01: positive from year 1 on */
    int era = (int)(shifted / 146097);
    int day_of_era = (int)(shifted - (int64_t)era * 146097);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * day_of_year + 2) / 153;

    *day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    *month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    *year = year_of_era + era * 400 + (*month <= 2 ? 1 : 0);
}

bool wr_timestamp_format(int64_t seconds, uint32_t nanos, char out[static WR_TIMESTAMP_LEN])
{
    char fraction[12] = "";
    int year = 0, month = 0, day = 0;

    if (seconds < YEAR_1_S || seconds > YEAR_9999_S || nanos >= SECOND_NS)
        return false;
    int64_t days = seconds / DAY_S - (seconds % DAY_S < 0);
    int rest = (int)(seconds - days * DAY_S);
    from_days(days, &year, &month, &day);
    bool fits = true;
    if (nanos % 1000 != 0)
        fits = wr_strformat(fraction, sizeof(fraction), ".%09u", nanos);
    else if (nanos % 1000000 != 0)
        fits = wr_strformat(fraction, sizeof(fraction), ".%06u", nanos / 1000);
    else if (nanos != 0)
        fits = wr_strformat(fraction, sizeof(fraction), ".%03u", nanos / 1000000);
    return fits && wr_strformat(out, WR_TIMESTAMP_LEN, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", year,
                                month, day, rest / 3600, rest / 60 % 60, rest % 60, fraction);
}

/* Exactly `count` digits at *at, which moves behind them. */
static bool take_number(const char **at, int count, int max, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *ret = value;
    return value <= max;
}

static bool take_char(const char **at, const char *set)
{
    if (**at == '\0' || !strchr(set, **at))
        return false;
    (*at)++;
    return true;
}

static bool take_fraction(const char **at, uint32_t *ret_nanos)
{
    uint32_t nanos = 0;
    int digits = 0;

    *ret_nanos = 0;
    if (**at != '.')
        return true;
    for ((*at)++; **at >= '0' && **at <= '9'; (*at)++, digits++) {
        if (digits == 9)
            return false;
        nanos = nanos * 10 + (uint32_t)(**at - '0');
    }
    for (int i = digits; i < 9; i++)
        nanos *= 10;
    *ret_nanos = nanos;
    return digits > 0;
}

/* "Z" or "+hh:mm": seconds east of Greenwich. */
static bool take_zone(const char **at, int *ret_seconds)
{
    int hours = 0, minutes = 0;
    bool west = **at == '-';

    *ret_seconds = 0;
    if (take_char(at, "Zz"))
        return true;
    if (!take_char(at, "+-") || !take_number(at, 2, 23, &hours) || !take_char(at, ":") ||
        !take_number(at, 2, 59, &minutes))
        return false;
    *ret_seconds = (hours * 3600 + minutes * 60) * (west ? -1 : 1);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return month == 2 && leap ? 29 : days[month - 1];
}

bool wr_timestamp_parse(const char *text, int64_t *ret_seconds, uint32_t *ret_nanos)
{
    int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, zone = 0;
    uint32_t nanos = 0;
    const char *at = text;

    if (!take_number(&at, 4, 9999, &year) || !take_char(&at, "-") ||
        !take_number(&at, 2, 12, &month) || !take_char(&at, "-") ||
        !take_number(&at, 2, 31, &day) || !take_char(&at, "Tt") ||
        !take_number(&at, 2, 23, &hour) || !take_char(&at, ":") ||
        !take_number(&at, 2, 59, &minute) || !take_char(&at, ":") ||
        !take_number(&at, 2, 59, &second) || !take_fraction(&at, &nanos) || !take_zone(&at, &zone))
        return false;
    if (*at != '\0' || year < 1 || month < 1 || day < 1 || day > days_of_month(year, month))
        return false;
    int64_t seconds = to_days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - zone;
    if (seconds < YEAR_1_S || seconds > YEAR_9999_S)
        return false;
    *ret_seconds = seconds;
    *ret_nanos = nanos;
    return true;
}
