/* The log of an agent: the same lines however the answer is cut, each a text without NUL bytes, and
 * within its bound. */
#include "base/str.h"
#include "fuzz.h"
#include "server/agent_log.h"

struct seen {
    uint64_t count, sum;
};

static bool take(const struct wr_agent_line *line, void *data)
{
    struct seen *seen = data;
    size_t len = strlen(line->text);

    HOLDS(len <= WR_AGENT_LOG_MAX_LINE && wr_utf8_valid(line->text, len));
    HOLDS(strlen(line->stream) <= 16);
    seen->count++;
    seen->sum = seen->sum * 31 + line->at_ms + len + (uint64_t)line->pid;
    for (const char *p = line->text; *p; p++)
        seen->sum = seen->sum * 31 + (unsigned char)*p;
    return true;
}

static struct seen read_all(const uint8_t *data, size_t size, size_t piece)
{
    struct wr_agent_log log;
    struct seen seen = {0};

    wr_agent_log_init(&log);
    for (size_t at = 0; at < size; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        HOLDS(wr_agent_log_feed(&log, (const char *)data + at, len, take, &seen));
    }
    wr_agent_log_done(&log);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > WR_AGENT_LOG_MAX)
        return 0;
    struct seen whole = read_all(data, size, size + 1), pieces = read_all(data, size, 7);

    HOLDS(whole.count == pieces.count && whole.sum == pieces.sum);
    return 0;
}
