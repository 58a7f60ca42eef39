#include "primitives/execute/reset_in_place.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/execute/inside.h"
#include "warren/code.h"
#include "warren/program.h"

#define MAX_CONTEXTS 256

struct wr_reset_baseline {
    struct wr_value *facts;    /* what the program in the sandbox noted */
    struct wr_value *contexts; /* array of {"id", ...} */
};

struct wr_reset_baseline *wr_reset_baseline_free(struct wr_reset_baseline *baseline)
{
    if (!baseline)
        return NULL;
    wr_value_free(baseline->facts);
    wr_value_free(baseline->contexts);
    free(baseline);
    return NULL;
}

/* ---- the program in the sandbox ---- */

/* "name:/path" or "name:/path:ro" */
static json_t *mount_points(const struct wr_reset_opts *opts)
{
    json_t *points = json_array();

    for (size_t i = 0; points && i < opts->volume_count; i++) {
        const char *path = strchr(opts->volumes[i], ':');
        if (!path)
            continue;
        size_t len = strcspn(path + 1, ":");
        if (json_array_append_new(points, json_stringn(path + 1, len)) < 0) {
            json_decref(points);
            points = NULL;
        }
    }
    return points;
}

static char *request_text(const struct wr_reset_opts *opts,
                          const struct wr_reset_baseline *baseline)
{
    json_t *facts = baseline ? json_incref(wr_value_json(baseline->facts)) : json_null();
    wr_auto_value *request =
        wr_value_of_json(json_pack("{s:o, s:o}", "volumes", mount_points(opts), "baseline", facts));

    return request ? wr_value_text(request) : NULL;
}

static int run_inside(struct wr_sandbox *sandbox, const struct wr_reset_opts *opts,
                      const struct wr_reset_baseline *baseline, struct wr_value **ret,
                      struct wr_error *err)
{
    static const char *const argv[] = {"python3", "-IBS", "-c", wr_inside_reset_in_place};
    wr_auto_free char *request = request_text(opts, baseline);
    wr_auto_value *result = NULL;

    if (!request)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "reset of a sandbox");
    int r =
        wr_program_run(sandbox,
                       WR_OPTS(wr_program_opts, .argv = argv, .argv_count = WR_ARRAY_SIZE(argv),
                               .cwd = "/", .user = "root", .input = request,
                               .input_len = strlen(request), .timeout_ms = opts->wait.timeout_ms),
                       &opts->wait, &result, err);
    if (r < 0)
        return r;
    const char *answer = wr_value_string(result, "stdout");
    if (wr_value_int(result, "exit_code", -1) != 0 ||
        wr_value_parse(answer, strlen(answer), ret, err) < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the sandbox's python3 cannot compare it: %.120s",
                       wr_value_string(result, "stderr"));
    return 0;
}

/* ---- contexts ---- */

static bool has_context(const struct wr_value *contexts, const char *id)
{
    for (size_t i = 0; i < wr_value_count(contexts); i++)
        if (wr_streq(wr_value_string(wr_value_at(contexts, i), "id"), id))
            return true;
    return false;
}

/* Those that were there begin anew, the others go. What ran in them has been killed. */
static int renew_contexts(struct wr_sandbox *sandbox, const struct wr_reset_baseline *baseline,
                          const struct wr_reset_opts *opts, struct wr_error *err)
{
    wr_auto_value *now = NULL;

    int r = wr_code_context_list(sandbox, &opts->wait, &now, err);
    if (r == 0 && wr_value_count(now) > MAX_CONTEXTS)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "there are more than %d contexts",
                    MAX_CONTEXTS);
    for (size_t i = 0; r == 0 && i < wr_value_count(now); i++) {
        const char *id = wr_value_string(wr_value_at(now, i), "id");
        if (!has_context(baseline->contexts, id))
            r = wr_code_context_remove(sandbox, id, &opts->wait, err);
    }
    for (size_t i = 0; r == 0 && i < wr_value_count(baseline->contexts); i++) {
        const char *id = wr_value_string(wr_value_at(baseline->contexts, i), "id");
        r = has_context(now, id)
                ? wr_code_context_restart(sandbox, id, &opts->wait, err)
                : wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "context %.60s was removed", id);
    }
    return r;
}

/* ---- both ---- */

int wr_reset_baseline_take(struct wr_sandbox *sandbox, const struct wr_reset_opts *opts,
                           struct wr_reset_baseline **ret, struct wr_error *err)
{
    wr_auto_value *answer = NULL;
    struct wr_reset_baseline *baseline = wr_calloc(1, sizeof *baseline);

    if (!baseline)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "baseline of a sandbox");
    int r = wr_code_context_list(sandbox, &opts->wait, &baseline->contexts, err);
    if (r == 0)
        r = run_inside(sandbox, opts, NULL, &answer, err);
    if (r == 0) {
        const struct wr_value *facts = wr_value_get(answer, "baseline");
        baseline->facts = wr_value_of_json(json_incref(wr_value_json(facts)));
        if (!facts)
            r = wr_fail(err, WR_E_UNIMPLEMENTED, 0, "this sandbox cannot be compared: %.160s",
                        wr_value_string(answer, "cannot"));
    }
    if (r < 0)
        wr_reset_baseline_free(baseline);
    else
        *ret = baseline;
    return r;
}

int wr_reset_in_place(struct wr_sandbox *sandbox, const struct wr_reset_baseline *baseline,
                      const struct wr_reset_opts *opts, struct wr_error *err)
{
    wr_auto_value *answer = NULL;

    int r = run_inside(sandbox, opts, baseline, &answer, err);
    if (r < 0)
        return r;
    if (!wr_value_bool(answer, "clean", false))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the sandbox is not as it was: %.160s",
                       wr_value_string(answer, "dirty"));
    return renew_contexts(sandbox, baseline, opts, err);
}
