#include "agent/fs/http_date.h"

#include "base/clock.h"
#include "base/str.h"

#define DAY_S 86400

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void wr_http_date(int64_t unix_s, char out[static 30])
{
    static const char days[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
    char iso[25];                                       /* "2026-01-02T03:04:05.678Z" */

    if (unix_s < 0)
        unix_s = 0;
    wr_format_rfc3339((uint64_t)unix_s * 1000, iso);
    int month = (iso[5] - '0') * 10 + (iso[6] - '0');
    bool fits =
        wr_strformat(out, 30, "%.3s, %.2s %.3s %.4s %.8s GMT", days + 3 * (unix_s / DAY_S % 7),
                     iso + 8, months + (ptrdiff_t)3 * (month - 1), iso, iso + 11);
    (void)fits; /* 29 characters up to the year 9999 */
}

struct parts {
    int month, day, year, hour, minute, second;
};

/* A place in the text; what does not fit clears `ok`, and the rest is then meaningless. */
struct cursor {
    const char *p;
    bool ok;
};

static void literal(struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    c->ok = c->ok && strncmp(c->p, text, len) == 0;
    if (c->ok)
        c->p += len;
}

static int number(struct cursor *c, int digits)
{
    int value = 0;

    for (int i = 0; i < digits && c->ok; i++) {
        c->ok = *c->p >= '0' && *c->p <= '9';
        if (c->ok)
            value = value * 10 + (*c->p++ - '0');
    }
    return value;
}

static int month(struct cursor *c)
{
    for (int i = 0; i < 12 && c->ok; i++) {
        if (strncmp(c->p, months + (ptrdiff_t)3 * i, 3) == 0) {
            c->p += 3;
            return i + 1;
        }
    }
    c->ok = false;
    return 0;
}

static void time_of_day(struct cursor *c, struct parts *p)
{
    p->hour = number(c, 2);
    literal(c, ":");
    p->minute = number(c, 2);
    literal(c, ":");
    p->second = number(c, 2);
}

/* "06 Nov 1994 08:49:37 GMT" or "06-Nov-94 08:49:37 GMT" */
static void day_first(struct cursor *c, struct parts *p, const char *separator, int year_digits)
{
    p->day = number(c, 2);
    literal(c, separator);
    p->month = month(c);
    literal(c, separator);
    p->year = number(c, year_digits);
    if (year_digits == 2)
        p->year += p->year < 70 ? 2000 : 1900;
    literal(c, " ");
    time_of_day(c, p);
    literal(c, " GMT");
}

/* "Nov  6 08:49:37 1994" */
static void month_first(struct cursor *c, struct parts *p)
{
    p->month = month(c);
    literal(c, " ");
    bool padded = *c->p == ' ';
    c->p += padded;
    p->day = number(c, padded ? 1 : 2);
    literal(c, " ");
    time_of_day(c, p);
    literal(c, " ");
    p->year = number(c, 4);
}

static bool split(const char *text, struct parts *p)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    size_t weekday = strspn(text, letters);
    struct cursor c = {text + weekday, weekday >= 3 && weekday <= 9};

    if (weekday == 3 && *c.p == ' ') {
        literal(&c, " ");
        month_first(&c, p);
    } else {
        bool short_name = weekday == 3;
        literal(&c, ", ");
        day_first(&c, p, short_name ? " " : "-", short_name ? 4 : 2);
    }
    return c.ok && *c.p == '\0';
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar. The year is counted from March, so
 * that the leap day is its last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = year - (month <= 2);
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468;
}

bool wr_http_date_parse(const char *text, size_t len, int64_t *ret)
{
    struct parts p = {0};
    char copy[48];

    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (!split(copy, &p) || p.day < 1 || p.day > 31 || p.year < 1000 || p.hour > 23 ||
        p.minute > 59 || p.second > 60)
        return false;
    *ret = days_since_epoch(p.year, p.month, p.day) * DAY_S + (int64_t)p.hour * 3600 +
           (int64_t)p.minute * 60 + p.second;
    return true;
}
