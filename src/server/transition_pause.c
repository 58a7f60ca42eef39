#include "server/transition_pause.h"

#include "base/clock.h"
#include "log/log.h"
#include "server/agent_news.h"
#include "server/durable.h"
#include "server/events.h"
#include "server/pausing_engine.h"
#include "server/records.h"
#include "server/server.h"

/* Long enough for one that has little of a processor: what does not answer is not resumed with its
 * memory. */
#define PROBE_TIMEOUT_MS   10000
#define PAUSING_TIMEOUT_MS 2000

/* ---- the end ---- */

static void become_paused(struct wr_transition *t, const struct wr_record *seen)
{
    struct wr_server *server = t->server;
    struct wr_sandbox *sandbox = t->sandbox;
    struct wr_error error = {0};

    wr_sandbox_set_state(server->sandboxes, sandbox, WR_SANDBOX_PAUSED);
    wr_record_set_level(sandbox, seen);
    if (wr_store_sandbox_paused(server->store, sandbox->id, sandbox->unresponsive, &error) < 0)
        wr_transition_log_row(sandbox, &error);
}

void wr_transition_pause_reached(struct wr_transition *t, const struct wr_record *seen)
{
    struct wr_pausing_counts *counts = &t->server->pausing;

    become_paused(t, seen);
    t->sandbox->unpaged = t->wish.level == WR_PAUSE_PAGED && *t->sandbox->pause_reason;
    counts->pauses[seen->level]++;
    counts->pause_us[seen->level] += wr_mono_us() - t->began_us;
    if (t->from == WR_PAUSE_NONE)
        wr_event(t->server, t->sandbox->id, t->sandbox->team_id, "paused", &t->wish.cause);
    wr_server_touch(t->server);
    wr_transition_paused(t);
}

/* ---- the engine ---- */

static void on_paused(const struct wr_engine_reply *reply, const struct wr_error *error, void *data)
{
    struct wr_transition *t = data;
    struct wr_error own = {0};
    struct wr_record seen = {.reason = ""};

    if (wr_transition_orphaned(t))
        return;
    if (error || wr_pausing_read(reply->json, &seen, &own) < 0)
        wr_transition_look(t, error ? error : &own);
    else
        wr_transition_pause_reached(t, &seen);
}

static void ask_pause(struct wr_transition *t)
{
    const struct wr_pausing_request request = {.action = WR_ACTION_PAUSE,
                                               .sandbox = t->sandbox,
                                               .level = t->wish.level,
                                               .memory = t->wish.memory};
    struct wr_error error = {0};

    wr_record_cut(t->sandbox);
    if (wr_pausing_ask(t->server, &request, on_paused, t, &error) < 0)
        wr_transition_look(t, &error);
}

/* ---- before: the agent, and the row ---- */

/* An agent that does not answer interrupts the cells: no reason to refuse the pause. */
static void on_pausing_told(const struct wr_error *error, void *data)
{
    struct wr_transition *t = data;

    if (wr_transition_orphaned(t))
        return;
    if (error)
        wr_log(WR_LOG_WARN, "the agent of a sandbox was not told that it is being paused",
               "sandbox", t->sandbox->id, "error", error->msg, NULL);
    ask_pause(t);
}

/* The agent cannot tell a connection that is cut from a client that leaves, upon which it
 * interrupts the client's cell. Right before the cut, so that there is one whenever the agent was
 * told. */
static void announce(struct wr_transition *t)
{
    const struct wr_agent_news pausing = {.event = "pausing",
                                          .control_token = t->sandbox->control_token,
                                          .timeout_ms = PAUSING_TIMEOUT_MS};
    struct wr_error error = {0};

    if (t->from != WR_PAUSE_NONE || !t->wish.memory || t->sandbox->unresponsive ||
        !wr_upstream_in_use(t->sandbox, WR_INTERPRETER_PORT))
        ask_pause(t);
    else if (wr_agent_tell(t->server, t->sandbox, &pausing, on_pausing_told, t, &error) < 0)
        on_pausing_told(&error, t);
}

static void on_durable(const struct wr_error *error, void *data)
{
    struct wr_transition *t = data;

    if (wr_transition_orphaned(t))
        return;
    if (error)
        wr_transition_refuse(t, error);
    else
        announce(t);
}

/* What is to survive a power cut needs its row, which may be a moment old. */
static void secure_row(struct wr_transition *t)
{
    struct wr_error error = {0};

    if (t->wish.level < WR_PAUSE_HIBERNATED)
        announce(t);
    else if (wr_durable_wait(t->server->durable, on_durable, t, &error) < 0)
        wr_transition_refuse(t, &error);
}

/* The answer to GET /health does not matter: that there is one does. */
static void on_probed(struct wr_agent_call *call, int status, const struct wr_error *error)
{
    struct wr_transition *t = wr_container_of(call, struct wr_transition, probe);
    struct wr_error own = {0};

    (void)status;
    t->probing = false;
    t->sandbox->unresponsive = error != NULL;
    if (error && (t->wish.healthy || !t->wish.memory)) {
        (void)wr_fail(&own, WR_E_UNAVAILABLE, 0, "the agent of sandbox %s does not answer: %.120s",
                      t->sandbox->id, error->msg);
        wr_transition_refuse(t, &own);
        return;
    }
    secure_row(t);
}

/* A frozen one has nobody to ask; what stays in memory is not asked either, unless it matters. */
static bool wants_probe(const struct wr_transition *t)
{
    return t->from == WR_PAUSE_NONE && !t->wish.unasked &&
           (t->wish.level == WR_PAUSE_HIBERNATED || t->wish.healthy);
}

void wr_transition_pause(struct wr_transition *t)
{
    struct wr_agent_call *probe = &t->probe;

    if (t->from == WR_PAUSE_NONE) {
        wr_sandbox_set_state(t->server->sandboxes, t->sandbox, WR_SANDBOX_PAUSING);
        wr_timer_stop(&t->sandbox->deadline);
    }
    if (!wants_probe(t)) {
        secure_row(t);
        return;
    }
    t->probing = true;
    probe->method = "GET";
    probe->path = "/health";
    probe->token = t->sandbox->envd_token;
    probe->timeout_ms = PROBE_TIMEOUT_MS;
    probe->fn = on_probed;
    wr_agent_call_start(probe, t->server, t->sandbox, NULL);
}
