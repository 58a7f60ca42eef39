#include "server/api/time_range.h"

#include "base/clock.h"
#include "base/parse.h"

#define TIME_MAX_S ((uint64_t)253402300799) /* the end of the year 9999 */
/* Clocks of clients may be ahead, and they round up. */
#define FUTURE_MS  ((uint64_t)10 * 60 * 1000)

#define HOUR_MS ((uint64_t)3600 * 1000)

/* 1 there, 0 not. */
static int read_time(const struct wr_exchange *ex, const char *name, uint64_t *ret_s,
                     struct wr_error *err)
{
    char text[24];

    int r = wr_exchange_query(ex, name, text, sizeof text, err);
    if (r == 0)
        return 0;
    if (r < 0 || wr_parse_u64(text, 0, TIME_MAX_S, ret_s) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: whole seconds since 1970", name);
    return 1;
}

int wr_time_range_read(const struct wr_exchange *ex, uint64_t now_ms, struct wr_time_range *range,
                       struct wr_error *err)
{
    struct wr_time_range out = *range;
    uint64_t time_s = 0;
    char latest[25];

    int r = read_time(ex, "start", &time_s, err);
    if (r > 0) {
        out.has_start = true;
        out.start_ms = time_s * 1000;
    }
    if (r >= 0)
        r = read_time(ex, "end", &time_s, err);
    if (r > 0) {
        out.has_end = true;
        /* The whole of that second. */
        out.end_ms = time_s * 1000 + 999;
    }
    if (r < 0)
        return r;
    if (out.end_ms > now_ms + FUTURE_MS) {
        wr_format_rfc3339(now_ms + FUTURE_MS, latest);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "end time cannot be after %s", latest);
    }
    /* Without an end a start that was rounded up asks for what is to come: for nothing yet. */
    if (out.start_ms > out.end_ms && (out.has_end || out.start_ms > now_ms + FUTURE_MS))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "start time cannot be after the end time");
    *range = out;
    return 0;
}

uint32_t wr_time_range_step_s(const struct wr_time_range *range)
{
    uint64_t length_ms = range->end_ms > range->start_ms ? range->end_ms - range->start_ms : 0;

    if (length_ms <= HOUR_MS + 999)
        return 5;
    return length_ms <= 6 * HOUR_MS + 999 ? 30 : 300;
}

void wr_time_write(struct wr_jw *w, uint64_t wall_ms)
{
    char text[25];

    wr_format_rfc3339(wall_ms, text);
    wr_jw_kstr(w, "timestamp", text);
    wr_jw_ku64(w, "timestampUnix", wall_ms / 1000);
}
