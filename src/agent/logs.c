#include "agent/logs.h"

#include "agent/reply.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "json/jwrite.h"

#define RECORD_JSON_MAX ((size_t)32 * 1024) /* a full line, every byte escaped */

struct reader {
    struct wr_agent *agent;
    struct wr_agent_log_cursor cursor;
    uint64_t end_seq; /* the log at the time of the request: a busy process cannot make the answer
                         endless */
};

static int write_record(struct wr_buf *out, const struct wr_agent_log_record *record)
{
    struct wr_jw w;
    char ts[25];

    if (record->missed > 0) {
        int rc = wr_buf_printf(out, "{\"dropped\":%llu}\n", (unsigned long long)record->missed);
        if (rc < 0)
            return rc;
    }
    wr_format_rfc3339(record->wall_ms, ts);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "ts", ts);
    wr_jw_kstr(&w, "stream", wr_stream_name(record->stream));
    wr_jw_ku64(&w, "pid", (uint64_t)record->pid);
    wr_jw_key(&w, "line");
    wr_jw_strn(&w, record->text, record->len);
    wr_jw_end(&w);
    int rc = wr_jw_finish(&w);
    return rc < 0 ? rc : wr_buf_append_char(out, '\n');
}

static void send_records(struct wr_exchange *ex, struct reader *reader)
{
    wr_auto_buf line = WR_BUF(RECORD_JSON_MAX);
    struct wr_agent_log_record record;

    while (reader->cursor.seq < reader->end_seq &&
           wr_agent_log_next(&reader->agent->log, &reader->cursor, &record)) {
        wr_buf_clear(&line);
        if (write_record(&line, &record) < 0) {
            wr_exchange_abort(ex);
            return;
        }
        if (wr_exchange_write(ex, wr_buf_ptr(&line), line.len) != WR_HTTP_MORE)
            return; /* on_drain goes on, or on_close frees */
    }
    wr_exchange_end(ex);
}

static void on_drain(struct wr_exchange *ex, void *data)
{
    send_records(ex, data);
}

static void on_close(struct wr_exchange *ex, bool aborted, void *data)
{
    (void)ex;
    (void)aborted;
    free(data);
}

static const struct wr_exchange_ops ops = {.on_drain = on_drain, .on_close = on_close};

void wr_logs_get(struct wr_agent *agent, struct wr_exchange *ex)
{
    struct reader *reader = wr_calloc(1, sizeof(*reader));
    if (!reader) {
        wr_reply_error(ex, 500, "no memory for reading the log");
        return;
    }
    reader->agent = agent;
    reader->end_seq = agent->log.next_seq;
    wr_exchange_set_ops(ex, &ops, reader);
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", "application/x-ndjson");
    wr_exchange_stream(ex, -1);
    send_records(ex, reader);
}
