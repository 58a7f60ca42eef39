#include "server/pause_policy.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "log/log.h"
#include "server/pause_decision.h"
#include "server/pausing.h"
#include "server/server.h"

#define TICK_MS        1000
#define AT_ONCE        2     /* hibernations on the policy's own account */
#define AT_ONCE_AT_END 4     /* and resumes at the start */
#define RETRY_MS       60000 /* of one that could not be hibernated */
#define END_MAX_MS     ((uint64_t)10 * 60 * 1000)

struct wr_pause_policy {
    struct wr_server *server;
    struct wr_timer timer;
    size_t under_way;
    bool starting; /* resumes what the mark in its row says */
    bool stopped;
    uint64_t end_max_ms;           /* monotonic; 0: the host is not about to end */
    unsigned end_number;           /* of the end that goes on, or was the last; 0: there was none */
    struct wr_pause_report report; /* of that; `left` is counted when somebody asks */
};

enum deed_kind { DEED_DEEPEN, DEED_END, DEED_RESUME };

/* One hibernation or resume; finds its sandbox again by the id. */
struct deed {
    struct wr_pause_policy *policy;
    enum deed_kind kind;
    unsigned end_number; /* of DEED_END */
    char id[WR_ID_LEN + 1];
};

/* ---- deeds ---- */

static void act(struct wr_pause_policy *policy);

static void unmark(struct wr_server *server, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    sandbox->resume_at_start = false;
    if (wr_store_sandbox_resume_at_start(server->store, sandbox->id, false, &error) < 0)
        wr_log(WR_LOG_WARN, "the row of a sandbox was not changed", "sandbox", sandbox->id, "error",
               error.msg, NULL);
}

/* Once in each end: whoever asks again gets another attempt. */
static void fail_end(struct wr_pause_policy *policy, struct wr_sandbox *sandbox, const char *reason)
{
    sandbox->end_failed = policy->end_number;
    wr_pause_report_fail(&policy->report, sandbox->id, reason);
}

static bool is_of_this_end(const struct deed *deed)
{
    return deed->kind == DEED_END && deed->policy->end_max_ms &&
           deed->end_number == deed->policy->end_number;
}

static void note_failure(const struct deed *deed, const struct wr_error *error)
{
    struct wr_pause_policy *policy = deed->policy;
    struct wr_server *server = policy->server;
    struct wr_sandbox *sandbox = wr_sandbox_table_find(server->sandboxes, deed->id);

    /* What has ended meanwhile is nobody's loss. */
    if (policy->stopped || !sandbox || sandbox->state == WR_SANDBOX_KILLING)
        return;
    wr_log(WR_LOG_WARN,
           deed->kind == DEED_RESUME ? "a sandbox that ran at the last end was not resumed"
                                     : "a sandbox was not hibernated",
           "sandbox", deed->id, "error", error->msg, NULL);
    sandbox->deepen_after_ms = wr_loop_now_ms(server->loop) + RETRY_MS;
    if (is_of_this_end(deed))
        fail_end(policy, sandbox, error->msg);
    /* Nothing happens later that nobody expects any more: it runs on, or stays paused until
     * somebody has looked at it. An engine that was lost says nothing about the sandbox. */
    if (deed->kind == DEED_END ? sandbox->state == WR_SANDBOX_RUNNING
                               : deed->kind == DEED_RESUME && error->code != WR_E_UNAVAILABLE)
        unmark(server, sandbox);
}

static void note_end(const struct deed *deed)
{
    struct wr_sandbox *sandbox = wr_sandbox_table_find(deed->policy->server->sandboxes, deed->id);

    /* What was only paged out goes to the disk when its time has come. */
    if (sandbox && sandbox->level < WR_PAUSE_HIBERNATED && deed->kind == DEED_DEEPEN)
        sandbox->deepen_after_ms = 0;
    if (!sandbox || !is_of_this_end(deed))
        return;
    if (sandbox->level == WR_PAUSE_HIBERNATED) {
        deed->policy->report.done++;
    } else if (*sandbox->pause_reason) {
        wr_log(WR_LOG_WARN, "a sandbox stays in memory", "sandbox", deed->id, "reason",
               sandbox->pause_reason, NULL);
        fail_end(deed->policy, sandbox, sandbox->pause_reason);
    }
}

static void on_done(const struct wr_error *error, void *data)
{
    struct deed *deed = data;
    struct wr_pause_policy *policy = deed->policy;

    if (error)
        note_failure(deed, error);
    else
        note_end(deed);
    free(deed);
    policy->under_way--;
    act(policy);
}

static struct deed deed_of(struct wr_pause_policy *policy, const struct wr_sandbox *sandbox,
                           enum deed_kind kind)
{
    struct deed deed = {.policy = policy, .kind = kind, .end_number = policy->end_number};

    memcpy(deed.id, sandbox->id, sizeof deed.id);
    return deed;
}

static struct deed *deed_new(const struct deed *model, struct wr_error *err)
{
    struct deed *deed = wr_calloc(1, sizeof *deed);

    if (deed)
        *deed = *model;
    else
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "sandbox %s", model->id);
    return deed;
}

/* `deed` NULL, or not begun: `error` says why. */
static void begun(const struct deed *model, struct deed *deed, int r, const struct wr_error *error)
{
    if (deed && r == 0) {
        model->policy->under_way++;
        return;
    }
    free(deed);
    note_failure(model, error);
}

static void pause_to(struct wr_pause_policy *policy, struct wr_sandbox *sandbox,
                     enum wr_pause_level level, enum deed_kind kind, const char *reason)
{
    const struct wr_pause_wish wish = {
        .level = level, .memory = true, .unasked = true, .cause = {.reason = reason}};
    const struct deed model = deed_of(policy, sandbox, kind);
    struct wr_error error = {0};
    struct deed *deed = deed_new(&model, &error);

    sandbox->deepen_after_ms = wr_loop_now_ms(policy->server->loop) + RETRY_MS;
    int r = deed ? wr_pause(policy->server, sandbox, &wish, on_done, deed, &error) : 0;
    begun(&model, deed, r, &error);
}

static void resume(struct wr_pause_policy *policy, struct wr_sandbox *sandbox)
{
    uint64_t max_ms = (uint64_t)policy->server->config->timeout_max_s * 1000;
    const struct wr_resume_wish wish = {
        .timeout_ms = wr_pause_remaining_ms(sandbox->deadline_ms, sandbox->paused_ms, max_ms),
        .memory = !sandbox->unresponsive,
        .cause = {.reason = "start"}};
    const struct deed model = deed_of(policy, sandbox, DEED_RESUME);
    struct wr_error error = {0};
    struct deed *deed = deed_new(&model, &error);

    sandbox->resume_at_start = false;
    int r = deed ? wr_resume(policy->server, sandbox, &wish, on_done, deed, &error) : 0;
    begun(&model, deed, r, &error);
}

/* ---- the start ---- */

static struct wr_sandbox *next_to_resume(const struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->resume_at_start && sandbox->state == WR_SANDBOX_PAUSED)
            return sandbox;
    }
    return NULL;
}

/* Those that could not be hibernated ran all the time. */
static void drop_marks(struct wr_server *server)
{
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->resume_at_start && sandbox->state == WR_SANDBOX_RUNNING)
            unmark(server, sandbox);
    }
}

static void go_on_starting(struct wr_pause_policy *policy)
{
    struct wr_sandbox *sandbox = NULL;

    while (policy->under_way < AT_ONCE_AT_END && (sandbox = next_to_resume(policy->server)))
        resume(policy, sandbox);
    policy->starting = sandbox != NULL;
}

/* ---- the end ---- */

/* Its row says so first: what is hibernated without that would stay so. */
static void end_one(struct wr_pause_policy *policy, struct wr_sandbox *sandbox)
{
    struct wr_error error = {0};

    if (sandbox->state == WR_SANDBOX_RUNNING &&
        wr_store_sandbox_resume_at_start(policy->server->store, sandbox->id, true, &error) < 0)
        wr_log(WR_LOG_WARN, "a sandbox will stay paused", "sandbox", sandbox->id, "error",
               error.msg, NULL);
    pause_to(policy, sandbox, WR_PAUSE_HIBERNATED, DEED_END, "shutdown");
}

/* In memory, and not tried yet. What could not be saved when it was paused gets an attempt, too. */
static bool is_to_end(const struct wr_pause_policy *policy, const struct wr_sandbox *sandbox)
{
    bool in_memory = sandbox->state == WR_SANDBOX_RUNNING ||
                     (sandbox->state == WR_SANDBOX_PAUSED && sandbox->level < WR_PAUSE_HIBERNATED);

    return in_memory && sandbox->end_failed != policy->end_number;
}

static struct wr_sandbox *next_to_end(const struct wr_pause_policy *policy)
{
    wr_list_foreach(it, wr_sandbox_table_all(policy->server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (is_to_end(policy, sandbox) && !sandbox->transition)
            return sandbox;
    }
    return NULL;
}

static void go_on_ending(struct wr_pause_policy *policy)
{
    struct wr_sandbox *sandbox = NULL;

    while (policy->under_way < AT_ONCE_AT_END && (sandbox = next_to_end(policy)))
        end_one(policy, sandbox);
}

void wr_pause_policy_end(struct wr_pause_policy *policy)
{
    if (policy->end_max_ms)
        return;
    wr_log(WR_LOG_INFO, "sandboxes are hibernated", NULL);
    policy->report = (struct wr_pause_report){0};
    policy->end_number++;
    policy->end_max_ms = wr_loop_now_ms(policy->server->loop) + END_MAX_MS;
    /* Those that still wait for that wait for the next start. */
    policy->starting = false;
    act(policy);
}

static bool is_left(const struct wr_pause_policy *policy, const struct wr_sandbox *sandbox)
{
    return sandbox->transition || is_to_end(policy, sandbox);
}

static size_t count_left(const struct wr_pause_policy *policy)
{
    size_t left = 0;

    wr_list_foreach(it, wr_sandbox_table_all(policy->server->sandboxes))
        left += is_left(policy, wr_list_entry(it, struct wr_sandbox, link));
    return left;
}

const struct wr_pause_report *wr_pause_policy_report(struct wr_pause_policy *policy)
{
    policy->report.left = policy->end_max_ms ? count_left(policy) : 0;
    return policy->end_number ? &policy->report : NULL;
}

bool wr_pause_policy_ending(struct wr_pause_policy *policy)
{
    if (!policy->end_max_ms || wr_loop_now_ms(policy->server->loop) >= policy->end_max_ms)
        return false;
    /* A snapshot or a resume may have kept one busy until now. */
    go_on_ending(policy);
    return policy->under_way > 0 || count_left(policy) > 0;
}

/* The host may live on after all. */
static void finish_end(struct wr_pause_policy *policy)
{
    wr_list_foreach(it, wr_sandbox_table_all(policy->server->sandboxes)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (is_left(policy, sandbox) && sandbox->end_failed != policy->end_number)
            fail_end(policy, sandbox, "there was no time left for it");
    }
    policy->end_max_ms = 0;
}

/* ---- all the time ---- */

static void deepen(struct wr_pause_policy *policy, bool all)
{
    struct wr_server *server = policy->server;
    struct wr_pause_view view = {
        .now_ms = wr_wall_ms(), .mono_ms = wr_loop_now_ms(server->loop), .all = all};
    struct wr_sandbox *sandbox = NULL;
    enum wr_pause_level level = WR_PAUSE_HIBERNATED;

    if (wr_sandbox_table_paused(server->sandboxes) == 0)
        return;
    view.swap = server->config->pause.page_after_ms && wr_pause_host_has_swap();
    view.free_pct = server->config->pause.low_memory_pct ? wr_pause_host_free_pct() : 100;
    while (policy->under_way < AT_ONCE &&
           (sandbox = wr_pause_next(server->sandboxes, &server->config->pause, &view, &level)))
        pause_to(policy, sandbox, level, DEED_DEEPEN,
                 view.free_pct < server->config->pause.low_memory_pct ? "memory" : "idle");
}

static void act(struct wr_pause_policy *policy)
{
    if (policy->stopped)
        return;
    if (policy->end_max_ms && !wr_pause_policy_ending(policy) && !policy->server->stopping)
        finish_end(policy);
    if (policy->end_max_ms)
        return;
    if (policy->starting)
        go_on_starting(policy);
    else
        deepen(policy, false);
}

static void on_tick(struct wr_timer *timer, void *data);

static void arm(struct wr_pause_policy *policy)
{
    struct wr_error error = {0};

    if (wr_timer_start(policy->server->loop, &policy->timer, TICK_MS, on_tick, policy, &error) < 0)
        wr_log(WR_LOG_WARN, "frozen sandboxes stay so: there is no timer", "error", error.msg,
               NULL);
}

static void on_tick(struct wr_timer *timer, void *data)
{
    struct wr_pause_policy *policy = data;

    (void)timer;
    arm(policy);
    if (!policy->server->draining)
        act(policy);
}

void wr_pause_policy_start(struct wr_pause_policy *policy)
{
    policy->starting = true;
    drop_marks(policy->server);
    arm(policy);
    act(policy);
}

bool wr_pause_policy_settle(struct wr_pause_policy *policy)
{
    struct wr_server *server = policy->server;

    deepen(policy, true);
    wr_list_foreach(it, wr_sandbox_table_all(server->sandboxes)) {
        const struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (sandbox->state != WR_SANDBOX_PAUSED || sandbox->level != WR_PAUSE_HIBERNATED ||
            sandbox->transition)
            return false;
    }
    return true;
}

void wr_pause_policy_stop(struct wr_pause_policy *policy)
{
    if (!policy)
        return;
    policy->stopped = true;
    wr_timer_stop(&policy->timer);
}

int wr_pause_policy_new(struct wr_server *server, struct wr_pause_policy **ret,
                        struct wr_error *err)
{
    struct wr_pause_policy *policy = wr_calloc(1, sizeof *policy);

    if (!policy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "policy for pauses");
    policy->server = server;
    *ret = policy;
    return 0;
}

struct wr_pause_policy *wr_pause_policy_free(struct wr_pause_policy *policy)
{
    if (!policy)
        return NULL;
    wr_pause_policy_stop(policy);
    free(policy);
    return NULL;
}
