#include "primitives/execute/execution_run.h"

#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/core/workflow.h"
#include "warren/code.h"

#define PROBE_MS      2000  /* within which an interpreter that was interrupted has to answer */
#define RESTART_MS    10000 /* for one that is started again */
#define ASK_MS        5000  /* for what the server knows about a sandbox */
#define SERVICE_MS    30000 /* what a server may take beyond the code's own time */
#define CLOCK_STEP_MS 5     /* by which two readings of the time may seem to be apart */

/* ---- afterwards ---- */

/* A cell that does nothing; languages without one are started again at once. */
static const char *probe_of(const char *language)
{
    static const char *const probes[][2] = {
        {"python", "pass"}, {"javascript", "0"},   {"typescript", "0"},
        {"bash", ":"},      {"r", "invisible(0)"},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(probes); i++)
        if (wr_strcaseeq(probes[i][0], language))
            return probes[i][1];
    return NULL;
}

static bool answers(const struct wr_execution_run *run, uint64_t within_ms)
{
    const char *probe = probe_of(run->language);
    const struct wr_wait wait = {.timeout_ms = within_ms};
    wr_auto_value *result = NULL;
    struct wr_error unused;

    return probe && wr_code_run(run->sandbox,
                                WR_OPTS(wr_code_opts, .code = probe, .language = run->language,
                                        .timeout_ms = within_ms),
                                &wait, &result, &unused) == 0;
}

/* The default context is the first of its language. */
static bool restart(const struct wr_execution_run *run)
{
    const struct wr_wait wait = {.timeout_ms = RESTART_MS};
    wr_auto_value *contexts = NULL;
    struct wr_error unused;

    if (wr_code_context_list(run->sandbox, &wait, &contexts, &unused) < 0)
        return false;
    for (size_t i = 0; i < wr_value_count(contexts); i++) {
        const struct wr_value *context = wr_value_at(contexts, i);
        if (wr_strcaseeq(wr_value_string(context, "language"), run->language))
            return wr_code_context_restart(run->sandbox, wr_value_string(context, "id"), &wait,
                                           &unused) == 0;
    }
    return false;
}

/* The code was interrupted, and may have gone on all the same. */
static enum wr_lease_end settle(const struct wr_execution_run *run, struct wr_error *err)
{
    if (!run->keeps)
        return WR_LEASE_DIRTY;
    if (answers(run, PROBE_MS))
        return WR_LEASE_DONE;
    if (!restart(run))
        return WR_LEASE_DIRTY;
    size_t len = strlen(err->msg);
    (void)!wr_strformat(err->msg + len, sizeof err->msg - len,
                        "; the interpreter was started again, its variables are gone");
    return WR_LEASE_DONE;
}

enum presence {
    UNKNOWN, /* nobody answers */
    GONE,
    THERE,
    PAUSED, /* somebody has paused it meanwhile */
};

static enum presence look(const struct wr_execution_run *run)
{
    const struct wr_wait wait = {.timeout_ms = ASK_MS};
    wr_auto_value *info = NULL;
    struct wr_error why;

    int r = wr_sandbox_info(run->sandbox, &wait, &info, &why);
    if (r < 0)
        return r == -WR_E_NOT_FOUND ? GONE : UNKNOWN;
    const char *state = wr_value_string(info, "state");
    bool is_paused = wr_value_bool(info, "pausing", false) || (state && wr_streq(state, "paused"));
    return is_paused ? PAUSED : THERE;
}

/* What ran stands still, and goes on with the sandbox: there is nothing to be put in order, and
 * whoever has paused it wants it back. */
static enum wr_lease_end paused(const struct wr_execution_run *run, struct wr_error *err)
{
    (void)wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                  "sandbox %.40s was paused while it was used; a resume lets what ran go on",
                  wr_sandbox_id(run->sandbox));
    return run->keeps ? WR_LEASE_DONE : WR_LEASE_DIRTY;
}

static enum wr_lease_end lost(const struct wr_execution_run *run, struct wr_error *err)
{
    struct wr_error reason = *err;

    (void)wr_fail(err, WR_E_UNAVAILABLE, 0,
                  "sandbox %.40s has gone while it was used, killed or at the end of its time: "
                  "%.120s",
                  wr_sandbox_id(run->sandbox), reason.msg);
    return WR_LEASE_LOST;
}

static enum wr_lease_end after_service_error(const struct wr_execution_run *run,
                                             struct wr_error *err)
{
    switch (look(run)) {
    case GONE:
        return lost(run, err);
    case PAUSED:
        return paused(run, err);
    case THERE:
        return run->keeps ? settle(run, err) : WR_LEASE_DIRTY;
    case UNKNOWN:
    default:
        return WR_LEASE_DIRTY;
    }
}

enum wr_lease_end wr_execution_lease_end(const struct wr_execution_run *run, struct wr_error *err)
{
    switch (wr_error_classify(err)) {
    case WR_CLASS_TIMEOUT:
    case WR_CLASS_CANCELED:
        return run->keeps && look(run) == PAUSED ? paused(run, err) : settle(run, err);
    case WR_CLASS_SERVICE:
        if (err->code == WR_E_ABORTED)
            return WR_LEASE_LOST; /* the client knows already, and says why */
        return after_service_error(run, err);
    case WR_CLASS_INPUT:
        if (err->code == WR_E_OUT_OF_RANGE)
            return settle(run, err); /* it displayed too much, and was given up */
        return run->keeps ? WR_LEASE_DONE : WR_LEASE_DIRTY; /* nothing has run */
    case WR_CLASS_NONE:
    case WR_CLASS_RATE_LIMIT:
    case WR_CLASS_ACCESS:
    case WR_CLASS_CODE:
    default:
        return run->keeps ? WR_LEASE_DONE : WR_LEASE_DIRTY; /* nothing has run */
    }
}

/* ---- what deadlines mean ---- */

/* Whether the workflow has ended, or has so little time left that a call that it bounded came back
 * because of that. */
static bool is_over(const struct wr_workflow *workflow, struct wr_error *err)
{
    uint64_t left_ms = wr_workflow_wait(workflow, 0).timeout_ms;

    if (wr_workflow_check(workflow, err) < 0)
        return true;
    if (left_ms == 0 || left_ms > CLOCK_STEP_MS)
        return false;
    (void)wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the workflow's time is over");
    return true;
}

int wr_execution_service_error(const struct wr_workflow *workflow, struct wr_error *err)
{
    struct wr_error own;

    if (err->code != WR_E_DEADLINE_EXCEEDED)
        return -err->code;
    if (is_over(workflow, &own))
        *err = own;
    else
        err->code = WR_E_UNAVAILABLE;
    return -err->code;
}

/* Whose time was over? A server that does not answer looks like code that does not end, so it is
 * asked something else. */
static int code_error(const struct wr_execution_run *run, const struct wr_workflow *workflow,
                      struct wr_error *err)
{
    if (err->code != WR_E_DEADLINE_EXCEEDED || is_over(workflow, err))
        return -err->code;
    if (look(run) == UNKNOWN)
        return wr_fail(err, WR_E_UNAVAILABLE, 0,
                       "%.80s does not answer: neither has the code ended nor can the sandbox be "
                       "asked about",
                       wr_client_name(wr_sandbox_client(run->sandbox)));
    return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                   "code ran longer than %.6g seconds and was stopped",
                   (double)run->timeout_ms / 1e3);
}

/* ---- the cell ---- */

struct listener {
    struct wr_workflow *workflow;
    struct wr_output_lines *lines;
};

static int on_event(const struct wr_code_event *event, void *data)
{
    const struct listener *listener = data;

    if (listener->lines)
        wr_output_lines_add(listener->lines, event);
    return wr_workflow_emit(listener->workflow, event);
}

int wr_execution_run(const struct wr_execution_run *run, struct wr_workflow *workflow,
                     struct wr_output_lines *lines, json_t **ret, enum wr_lease_end *ret_end,
                     struct wr_error *err)
{
    struct listener listener = {workflow, lines};
    struct wr_value *result = NULL;
    const struct wr_wait wait = wr_workflow_wait(workflow, run->timeout_ms + SERVICE_MS);

    struct wr_span *span = wr_span_begin(workflow, "code_execution.code_run");
    wr_span_set_string(span, "language", run->language);
    wr_span_set_string(span, "sandbox_id", wr_sandbox_id(run->sandbox));
    wr_span_set_double(span, "timeout", (double)run->timeout_ms / 1e3);
    int r = wr_code_run(run->sandbox,
                        WR_OPTS(wr_code_opts, .code = run->code, .language = run->language,
                                .envs = run->envs, .env_count = run->env_count,
                                .timeout_ms = run->timeout_ms, .max_output = run->max_output_bytes,
                                .on_event = on_event, .on_event_data = &listener),
                        &wait, &result, err);
    if (r < 0)
        r = code_error(run, workflow, err);
    if (r == 0) {
        wr_span_set_double(span, "execution_time_ms", wr_value_double(result, "time_ms", 0));
        wr_span_set_bool(span, "success", wr_execution_succeeded(wr_value_json(result)));
        *ret = wr_value_json(result);
    }
    *ret_end = r < 0 ? wr_execution_lease_end(run, err) : WR_LEASE_DONE;
    wr_span_end(span, r < 0 ? err : NULL);
    return -(r < 0 ? err->code : 0);
}
