#include "agent/log.h"

#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"

struct header {
    uint64_t wall_ms;
    int32_t pid;
    uint16_t len;
    uint16_t stream;
};

const char *wr_stream_name(enum wr_stream stream)
{
    static const char *const names[] = {"stdout", "stderr", "pty"};
    return names[stream];
}

void wr_agent_log_init(struct wr_agent_log *log, uint64_t max_bytes)
{
    if (max_bytes < WR_AGENT_LOG_MIN)
        max_bytes = 0;
    *log = (struct wr_agent_log){.max_bytes = (size_t)WR_MIN(max_bytes, WR_GIB)};
}

void wr_agent_log_done(struct wr_agent_log *log)
{
    if (log->ring)
        munmap(log->ring, log->max_bytes);
    log->ring = NULL;
}

static bool map_ring(struct wr_agent_log *log)
{
    if (log->ring)
        return true;
    void *ring = mmap(NULL, log->max_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (ring == MAP_FAILED)
        return false;
    log->ring = ring;
    return true;
}

static void ring_write(struct wr_agent_log *log, uint64_t pos, const void *data, size_t len)
{
    size_t at = (size_t)(pos % log->max_bytes);
    size_t first = WR_MIN(len, log->max_bytes - at);
    memcpy(log->ring + at, data, first);
    memcpy(log->ring, (const char *)data + first, len - first);
}

static void ring_read(const struct wr_agent_log *log, uint64_t pos, void *data, size_t len)
{
    size_t at = (size_t)(pos % log->max_bytes);
    size_t first = WR_MIN(len, log->max_bytes - at);
    memcpy(data, log->ring + at, first);
    memcpy((char *)data + first, log->ring, len - first);
}

static void drop_oldest(struct wr_agent_log *log)
{
    struct header h;
    ring_read(log, log->head, &h, sizeof(h));
    log->head += sizeof(h) + h.len;
    log->first_seq++;
}

static void add_record(struct wr_agent_log *log, const struct wr_agent_log_source *source,
                       const char *text, size_t len)
{
    struct header h = {.wall_ms = wr_wall_ms(),
                       .pid = source->pid,
                       .len = (uint16_t)len,
                       .stream = (uint16_t)source->stream};
    size_t size = sizeof(h) + len;

    if (!map_ring(log))
        return;
    while (log->tail - log->head + size > log->max_bytes)
        drop_oldest(log);
    ring_write(log, log->tail, &h, sizeof(h));
    ring_write(log, log->tail + sizeof(h), text, len);
    log->tail += size;
    log->next_seq++;
}

void wr_agent_log_source_init(struct wr_agent_log_source *source, enum wr_stream stream, pid_t pid)
{
    *source = (struct wr_agent_log_source){
        .stream = stream, .pid = pid, .partial = WR_BUF(WR_AGENT_LOG_LINE_MAX)};
}

static void flush_partial(struct wr_agent_log *log, struct wr_agent_log_source *source)
{
    if (source->partial.len > 0)
        add_record(log, source, wr_buf_ptr(&source->partial), source->partial.len);
    wr_buf_clear(&source->partial);
}

void wr_agent_log_source_flush(struct wr_agent_log *log, struct wr_agent_log_source *source)
{
    flush_partial(log, source);
    wr_buf_done(&source->partial);
}

/* A piece of a line; `end` when its newline was seen. */
static void add_piece(struct wr_agent_log *log, struct wr_agent_log_source *source,
                      const char *data, size_t len, bool end)
{
    if (end && source->partial.len == 0) {
        add_record(log, source, data, len);
        return;
    }
    if (wr_buf_append(&source->partial, data, len) < 0) {
        flush_partial(log, source);
        add_record(log, source, data, len);
        return;
    }
    if (end)
        flush_partial(log, source);
}

void wr_agent_log_bytes(struct wr_agent_log *log, struct wr_agent_log_source *source,
                        const char *data, size_t len)
{
    if (log->max_bytes == 0)
        return;
    while (len > 0) {
        const char *newline = memchr(data, '\n', len);
        size_t line_len = newline ? (size_t)(newline - data) : len;
        size_t room = WR_AGENT_LOG_LINE_MAX - source->partial.len;
        size_t take = WR_MIN(line_len, room);
        bool end = newline && take == line_len;
        /* A full record without its newline yet ends here as well; the rest of the line follows in
         * the next. */
        bool full = take == room && !end;

        add_piece(log, source, data, take, end || full);
        data += take + (end ? 1 : 0);
        len -= take + (end ? 1 : 0);
    }
    if (source->partial.len == 0)
        wr_buf_trim(&source->partial, 0);
}

bool wr_agent_log_next(const struct wr_agent_log *log, struct wr_agent_log_cursor *cursor,
                       struct wr_agent_log_record *ret)
{
    struct header h;
    uint64_t missed = 0;

    if (cursor->seq < log->first_seq) {
        missed = log->first_seq - cursor->seq;
        *cursor = (struct wr_agent_log_cursor){.pos = log->head, .seq = log->first_seq};
    }
    if (cursor->seq >= log->next_seq)
        return false;
    ring_read(log, cursor->pos, &h, sizeof(h));
    ret->wall_ms = h.wall_ms;
    ret->missed = missed;
    ret->stream = (enum wr_stream)h.stream;
    ret->pid = h.pid;
    ret->len = h.len;
    ring_read(log, cursor->pos + sizeof(h), ret->text, h.len);
    cursor->pos += sizeof(h) + h.len;
    cursor->seq++;
    return true;
}
