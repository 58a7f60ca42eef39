#include "interpreter/line.h"

#include <stdio.h>
#include <time.h>

#include "json/jwrite.h"

const char wr_line_keepalive[] = "{\"type\": \"keepalive\"}\n";
const char wr_line_end[] = "{\"type\": \"end_of_execution\"}\n";

void wr_line_time(uint64_t wall_us, char out[static 33])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm = {0};
    char day[24];

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, 33, "%.19s.%06u+00:00", day, (unsigned)(wall_us % 1000000));
}

static uint64_t now_us(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void begin(struct wr_jw *w, struct wr_buf *out, const char *type)
{
    wr_buf_clear(out);
    wr_jw_init(w, out);
    w->ascii = true;
    wr_jw_object(w);
    wr_jw_kstr(w, "type", type);
}

static int end(struct wr_jw *w)
{
    wr_jw_end(w);
    int rc = wr_jw_finish(w);
    return rc < 0 ? rc : wr_buf_append_char(w->out, '\n');
}

int wr_line_text(struct wr_buf *out, enum wr_stream stream, const char *data, size_t len)
{
    struct wr_jw w;
    char time_text[33];

    wr_line_time(now_us(), time_text);
    begin(&w, out, wr_stream_name(stream));
    wr_jw_key(&w, "text");
    wr_jw_strn(&w, data, len);
    wr_jw_kstr(&w, "timestamp", time_text);
    return end(&w);
}

int wr_line_error(struct wr_buf *out, const char *name, const char *value, const char *traceback)
{
    struct wr_jw w;

    begin(&w, out, "error");
    wr_jw_kstr(&w, "name", name);
    wr_jw_kstr(&w, "value", value);
    wr_jw_kstr(&w, "traceback", traceback);
    return end(&w);
}

int wr_line_count(struct wr_buf *out, uint64_t count)
{
    struct wr_jw w;

    begin(&w, out, "number_of_executions");
    wr_jw_ku64(&w, "execution_count", count);
    return end(&w);
}
