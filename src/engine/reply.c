#include <string.h>

#include "engine/action.h"
#include "engine/engine.h"
#include "json/jwrite.h"
#include "log/log.h"
#include "sys/message.h"

/* One buffer for what is sent: the engine has one thread. */
static struct {
    struct wr_action_header header;
    char payload[WR_ACTION_MAX - sizeof(struct wr_action_header)];
} out;

static void send_message(struct wr_engine *engine, uint32_t kind, uint32_t flags, uint32_t sequence,
                         const char *json, const int *fds, size_t fd_count)
{
    size_t len = strlen(json);

    if (len > sizeof(out.payload)) {
        wr_log(WR_LOG_ERROR, "a reply is too long", NULL);
        json = "{\"code\":13,\"message\":\"the engine's reply is too long\"}";
        flags |= WR_ACTION_FLAG_ERROR;
        len = strlen(json);
        fd_count = 0;
    }
    out.header = (struct wr_action_header){.magic = WR_ACTION_MAGIC,
                                           .version = WR_ACTION_VERSION,
                                           .kind = (uint16_t)kind,
                                           .flags = flags,
                                           .sequence = sequence,
                                           .length = (uint32_t)len};
    memcpy(out.payload, json, len);
    /* The socket blocks for the engine: a server that does not read must not make it lose replies.
     * A server that is gone is noticed by the loop. */
    int rc = wr_message_send(engine->sock, &out, sizeof(out.header) + len, fds, fd_count);
    if (rc < 0)
        wr_log(WR_LOG_WARN, "a reply could not be sent", "error", wr_errno_text(-rc), NULL);
}

void wr_engine_reply(struct wr_engine *engine, uint32_t kind, uint32_t sequence, const char *json,
                     const int *fds, size_t fd_count)
{
    send_message(engine, kind | WR_ACTION_REPLY, 0, sequence, json, fds, fd_count);
}

void wr_engine_reply_error(struct wr_engine *engine, uint32_t kind, uint32_t sequence,
                           const struct wr_error *error)
{
    wr_auto_buf text = WR_BUF(4096);
    struct wr_jw w;

    wr_jw_init(&w, &text);
    wr_jw_object(&w);
    wr_jw_ki64(&w, "code", error->code);
    wr_jw_kstr(&w, "message", error->msg);
    wr_jw_end(&w);
    const char *json = wr_jw_finish(&w) == 0 ? wr_buf_cstr(&text) : NULL;
    send_message(engine, kind | WR_ACTION_REPLY, WR_ACTION_FLAG_ERROR, sequence,
                 json ? json : "{\"code\":8,\"message\":\"out of memory\"}", NULL, 0);
}

void wr_engine_event_gone(struct wr_engine *engine, const char *id, const char *reason)
{
    char json[128];

    if (wr_strformat(json, sizeof(json), "{\"id\":\"%s\",\"reason\":\"%s\",\"status\":0}", id,
                     reason))
        send_message(engine, WR_EVENT_GONE | WR_ACTION_EVENT, 0, 0, json, NULL, 0);
}

void wr_engine_event_ready(struct wr_engine *engine, int pid)
{
    char json[128];

    if (wr_strformat(json, sizeof(json), "{\"pid\":%d,\"version\":\"%s\"}", pid, WR_VERSION))
        send_message(engine, WR_EVENT_READY | WR_ACTION_EVENT, 0, 0, json, NULL, 0);
}
