#include "server/agent_news.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/rfc3339.h"
#include "json/jwrite.h"
#include "server/agent_call.h"

/* The agent answers within 500 ms; a host under load and a sandbox without CPU need more. */
#define TIMEOUT_MS 10000

struct telling {
    struct wr_agent_call call;
    wr_done_fn fn;
    void *data;
    char control_token[WR_TOKEN_LEN + 1];
};

static void on_answer(struct wr_agent_call *call, int status, const struct wr_error *error)
{
    struct telling *telling = wr_container_of(call, struct telling, call);
    wr_done_fn fn = telling->fn;
    void *data = telling->data;
    struct wr_error failure = error ? *error : (struct wr_error){0};

    if (!error && status != 204)
        (void)wr_fail(&failure, WR_E_INTERNAL, 0, "the agent answered with status %d", status);
    wr_agent_call_cancel(call);
    explicit_bzero(telling->control_token, sizeof telling->control_token);
    free(telling);
    fn(failure.code ? &failure : NULL, data);
}

static int write_news(const struct wr_agent_news *news, struct wr_buf *out)
{
    char time[25];
    struct wr_jw w;
    const char *key;
    json_t *value;

    wr_format_rfc3339(wr_wall_ms(), time);
    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_kstr(&w, "event", news->event);
    wr_jw_kstr(&w, "timestamp", time);
    wr_jw_kstr(&w, "sandboxId", news->sandbox_id);
    wr_jw_kstr(&w, "controlToken", news->new_control_token);
    if (news->access_token) {
        wr_jw_key(&w, "accessToken");
        if (*news->access_token)
            wr_jw_str(&w, news->access_token);
        else
            wr_jw_null(&w);
    }
    if (news->env_vars) {
        wr_jw_key(&w, "envVars");
        wr_jw_object(&w);
        json_object_foreach((json_t *)(uintptr_t)news->env_vars, key, value)
            wr_jw_kstr(&w, key, json_string_value(value));
        wr_jw_end(&w);
    }
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

int wr_agent_tell(struct wr_server *server, struct wr_sandbox *sandbox,
                  const struct wr_agent_news *news, wr_done_fn fn, void *data, struct wr_error *err)
{
    struct wr_buf body = WR_BUF(WR_ACTION_MAX);
    struct telling *telling = wr_calloc(1, sizeof *telling);

    int r = telling && wr_strcopy(telling->control_token, sizeof telling->control_token,
                                  news->control_token)
                ? write_news(news, &body)
                : -ENOMEM;
    if (r < 0) {
        if (body.data)
            explicit_bzero(body.data, body.cap);
        wr_buf_done(&body);
        free(telling);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "news for sandbox %s", sandbox->id);
    }
    telling->fn = fn;
    telling->data = data;
    telling->call =
        (struct wr_agent_call){.method = "POST",
                               .path = "/init",
                               .token = "",
                               .control = telling->control_token,
                               .timeout_ms = news->timeout_ms ? news->timeout_ms : TIMEOUT_MS,
                               .fn = on_answer};
    wr_agent_call_start(&telling->call, server, sandbox, &body);
    return 0;
}
