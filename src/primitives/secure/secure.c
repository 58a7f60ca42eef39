#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "base/options.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/primitive.h"
#include "primitives/observe/event.h"
#include "primitives/observe/metrics.h"
#include "primitives/secure/policy.h"
#include "primitives/secure/redacted_output.h"
#include "primitives/secure/secure_audit.h"
#include "primitives/secure/token_literals.h"
#include "warren/limits.h"

#define NAME      "SecureCodeExecutor"
#define PYTHON    "python"
#define MAX_SCOPE ((size_t)1 << 22)

struct secure {
    struct wr_primitive *inner;
    struct wr_policy *policy;     /* NULL: no rules */
    struct wr_redactor *redactor; /* NULL: no redaction */
    struct wr_primitive *rate;    /* NULL: no limit; lets a request pass or not */
    struct wr_audit *audit;       /* NULL: none */
    bool audit_code;
    atomic_uint_fast64_t allowed, refused, syntax_errors, redactions, redaction_limits, limited;
};

/* One execution. */
struct guarded {
    struct secure *secure;
    struct wr_workflow *workflow;
    json_t *input; /* owned: as `inner` gets it */
    const char *code, *language;
    struct wr_redactor *redactor; /* owned: with the secrets of env; NULL: no redaction */
    struct wr_value *report;      /* owned */
    struct wr_value *unread;      /* owned: the result of code that does not parse; NULL: it runs */
    struct wr_secure_audit audit;
    struct wr_redacted_sum sum;
};

static void guarded_done(struct guarded *g)
{
    json_decref(g->input);
    wr_redactor_free(g->redactor);
    wr_value_free(g->report);
    wr_value_free(g->unread);
}

/* ---- the input ---- */

/* A language that is not said is the inner one's to choose; rules have to know it. */
static int read_input(struct guarded *g, const struct wr_value *input, struct wr_error *err)
{
    const json_t *code = json_object_get(wr_value_json(input), "code");
    const json_t *language = json_object_get(wr_value_json(input), "language");

    if (!json_is_string(code) || strlen(json_string_value(code)) != json_string_length(code))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the input is an object with \"code\", a text without NUL bytes");
    if (language && !json_is_null(language) && !json_is_string(language))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "language: is a text");
    g->input = json_copy(wr_value_json(input));
    if (!g->input)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input");
    g->code = json_string_value(code);
    g->language = json_is_string(language) ? json_string_value(language) : PYTHON;
    if (g->secure->policy && !json_is_string(language) &&
        json_object_set_new(g->input, "language", json_string(PYTHON)) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input");
    return 0;
}

/* An executor takes `env_vars` for `env`. */
static int make_redactor(struct guarded *g, struct wr_error *err)
{
    const json_t *const envs[] = {json_object_get(g->input, "env"),
                                  json_object_get(g->input, "env_vars")};
    const char **secrets = NULL;
    size_t count = 0;

    if (!g->secure->redactor)
        return 0;
    int r = wr_env_secrets(envs, WR_ARRAY_SIZE(envs), &secrets, &count, err);
    if (r < 0)
        return r;
    g->redactor = wr_redactor_extended(g->secure->redactor, secrets, count, err);
    free(secrets);
    return g->redactor ? 0 : wr_wrap(err, "env");
}

/* ---- before it runs ---- */

static int check_policy(struct guarded *g, struct wr_error *err)
{
    struct secure *secure = g->secure;

    if (!secure->policy)
        return 0;
    int r = wr_policy_check(secure->policy, g->code, g->language, g->workflow, &g->report, err);
    if (r < 0)
        return r;
    g->audit.report = g->report;
    r = wr_workflow_set(g->workflow, "policy_report", wr_value_ref(g->report), err);
    if (r < 0 || wr_value_bool(g->report, "allowed", false) ||
        wr_policy_reports_only(secure->policy))
        return r;
    if (!wr_value_get(g->report, "syntax_error"))
        return wr_policy_refusal(g->report, err);
    g->unread = wr_policy_syntax_result(g->report, g->language, err);
    return g->unread ? 0 : -err->code;
}

/* What is refused is written down, and told; the refusal stays in `err`. */
static int refuse(struct guarded *g, struct wr_error *err)
{
    struct wr_error ours = {0};

    if (err->code == WR_E_PERMISSION_DENIED) {
        atomic_fetch_add(&g->secure->refused, 1);
        wr_metric_add(wr_workflow_telemetry(g->workflow), WR_METRIC_POLICY_REFUSED, NULL, 1);
        wr_telemetry_log(g->workflow, "warning", "policy_refused", NAME,
                         json_pack("{s:s}", "reason", err->msg));
    }
    if (wr_secure_audit_refused(&g->audit, err, &ours) < 0) {
        *err = ours;
        return wr_wrap(err, "the code was refused, and the audit log could not be written");
    }
    return -err->code;
}

static int pass_rate(struct guarded *g, struct wr_error *err)
{
    wr_auto_value *passed = NULL;
    wr_auto_value *request = wr_value_object();

    if (!g->secure->rate)
        return 0;
    int r = wr_primitive_execute(g->secure->rate, request, g->workflow, &passed, err);
    if (r == -WR_E_RESOURCE_EXHAUSTED)
        atomic_fetch_add(&g->secure->limited, 1);
    return r;
}

static int admit(struct guarded *g, struct wr_error *err)
{
    int r = pass_rate(g, err);

    if (r == 0)
        r = check_policy(g, err);
    return r < 0 ? refuse(g, err) : wr_secure_audit_start(&g->audit, err);
}

/* ---- running it ---- */

static int run_inner(struct guarded *g, struct wr_value **ret, struct wr_error *err)
{
    const struct wr_value *input = wr_value_of_json(g->input);
    wr_auto_workflow *scope = NULL;
    struct wr_redacted_events events = {0};

    if (g->unread) {
        *ret = wr_steal_ptr(&g->unread);
        return 0;
    }
    if (!g->redactor || !wr_workflow_listens(g->workflow))
        return wr_primitive_execute(g->secure->inner, input, g->workflow, ret, err);
    int r = wr_redacted_events_init(&events, g->redactor, g->workflow, err);
    if (r == 0) {
        scope = wr_workflow_scope(g->workflow,
                                  &(struct wr_scope_opts){.has_sink = true,
                                                          .on_event = wr_redacted_events_pass,
                                                          .on_event_data = &events},
                                  err);
        r = scope ? 0 : -err->code;
    }
    if (r == 0) {
        r = wr_primitive_execute(g->secure->inner, input, scope, ret, err);
        wr_redacted_events_finish(&events);
    }
    wr_redacted_events_done(&events);
    return r;
}

/* A message may quote what the code was given. */
static int redact_error(struct guarded *g, struct wr_error *err)
{
    wr_auto_free char *safe = NULL;
    struct wr_error ours = {0};
    size_t len = 0;

    if (g->redactor) {
        int r = wr_redact(g->redactor, err->msg, strlen(err->msg), &safe, &len, NULL, &ours);
        if (r < 0 || !wr_strcopy(err->msg, sizeof err->msg, safe))
            (void)!wr_strcopy(err->msg, sizeof err->msg, "an error whose text is not shown");
    }
    return -err->code;
}

static void count_redactions(struct guarded *g)
{
    struct secure *secure = g->secure;

    atomic_fetch_add(&secure->redactions, g->sum.places);
    atomic_fetch_add(&secure->redaction_limits, g->sum.limited);
    if (g->sum.places > 0)
        wr_metric_add(wr_workflow_telemetry(g->workflow), WR_METRIC_REDACTIONS, NULL,
                      (double)g->sum.places);
    if (g->sum.limited > 0)
        wr_telemetry_log(g->workflow, "warning", "redaction_limit", NAME,
                         json_pack("{s:I}", "places", (json_int_t)g->sum.limited));
}

static int run(struct guarded *g, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *raw = NULL;
    wr_auto_json *safe = NULL;

    int r = run_inner(g, &raw, err);
    if (r < 0)
        r = redact_error(g, err);
    else if (g->redactor)
        r = wr_redacted_output(g->redactor, wr_value_json(raw), &safe, &g->sum, err);
    else
        safe = wr_value_json(wr_steal_ptr(&raw));
    count_redactions(g);
    struct wr_error ours = {0};
    int written = wr_secure_audit_end(&g->audit, r == 0 ? safe : NULL, err, &g->sum, &ours);
    if (written < 0) {
        *err = ours;
        return wr_wrap(err, "the code ran, but the audit log could not be written");
    }
    if (r == 0)
        *ret = wr_value_of_json(wr_steal_ptr(&safe));
    return r;
}

static int execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                   struct wr_value **ret, struct wr_error *err)
{
    struct secure *secure = self;
    WR_CLEANUP(guarded_done) struct guarded g = {.secure = secure, .workflow = workflow};

    int r = read_input(&g, input, err);
    if (r == 0)
        r = make_redactor(&g, err);
    if (r < 0)
        return r;
    g.audit = (struct wr_secure_audit){.audit = secure->audit,
                                       .workflow = workflow,
                                       .redactor = g.redactor,
                                       .code = g.code,
                                       .language = g.language,
                                       .with_code = secure->audit_code};
    wr_secure_audit_begin(&g.audit);
    r = admit(&g, err);
    if (r < 0)
        return r;
    atomic_fetch_add(g.unread ? &secure->syntax_errors : &secure->allowed, 1);
    return run(&g, ret, err);
}

/* ---- the primitive ---- */

static struct wr_value *stats(void *self)
{
    struct secure *secure = self;

    return wr_value_of_json(json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I}", "allowed", (json_int_t)atomic_load(&secure->allowed),
        "refused", (json_int_t)atomic_load(&secure->refused), "syntax_errors",
        (json_int_t)atomic_load(&secure->syntax_errors), "redactions",
        (json_int_t)atomic_load(&secure->redactions), "redaction_limits",
        (json_int_t)atomic_load(&secure->redaction_limits), "limited",
        (json_int_t)atomic_load(&secure->limited)));
}

static void secure_free(void *self)
{
    struct secure *secure = self;

    if (!secure)
        return;
    wr_primitive_free(secure->inner);
    wr_primitive_free(secure->rate);
    wr_policy_free(secure->policy);
    wr_redactor_free(secure->redactor);
    wr_audit_free(secure->audit);
    free(secure);
}

/* What the rate limit guards: the permission to go on. */
static int pass(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                struct wr_value **ret, struct wr_error *err)
{
    (void)self;
    (void)workflow;
    (void)input;
    *ret = wr_value_of_bool(true);
    return *ret ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "value");
}

static int fill(struct secure *secure, const struct wr_secure_opts *opts, struct wr_error *err)
{
    static const struct wr_primitive_ops pass_ops = {.struct_size = sizeof pass_ops,
                                                     .execute = pass};

    secure->audit_code = opts->audit_code;
    if (!opts->no_policy) {
        secure->policy = wr_policy_new(&(struct wr_policy_opts){.rules = opts->policy,
                                                                .client = opts->checker_client,
                                                                .sandbox = opts->checker_sandbox},
                                       err);
        if (!secure->policy)
            return -err->code;
    }
    if (!opts->no_redaction) {
        secure->redactor = wr_redactor_new(opts->redactor, err);
        if (!secure->redactor)
            return -err->code;
    }
    if (opts->max_per_second != 0) {
        secure->rate =
            wr_rate_limit_new(wr_primitive_new("secure_rate", &pass_ops, NULL, err),
                              WR_OPTS(wr_rate_opts, .per_second = opts->max_per_second), err);
        if (!secure->rate)
            return -err->code;
    }
    if (opts->audit_path) {
        secure->audit = wr_audit_open(opts->audit_path, err);
        if (!secure->audit)
            return -err->code;
    }
    return 0;
}

/* The settings that change what comes out, for caches around it. */
static int scope_of(const struct secure *secure, const struct wr_secure_opts *opts,
                    char ret[static WR_PRIMITIVE_SCOPE_MAX], struct wr_error *err)
{
    const struct wr_redactor_opts *redactor = opts->redactor;
    wr_auto_buf what = WR_BUF(MAX_SCOPE);

    what.wipe = true;
    int r = wr_buf_printf(&what, "secure policy=%s redaction=%d\n",
                          secure->policy ? wr_policy_text(secure->policy) : "none",
                          !opts->no_redaction);
    if (redactor && !opts->no_redaction) {
        if (r == 0)
            r = wr_buf_printf(&what, "%d %a %zu %s\n", redactor->no_defaults, redactor->min_entropy,
                              redactor->min_entropy_length,
                              redactor->replacement ? redactor->replacement : "");
        for (size_t i = 0; r == 0 && i < redactor->pattern_count; i++)
            r = wr_buf_printf(&what, "pattern %s\n", redactor->patterns[i]);
        for (size_t i = 0; r == 0 && i < redactor->literal_count; i++)
            r = wr_buf_printf(&what, "literal %s\n", redactor->literals[i]);
    }
    const char *text = r == 0 ? wr_buf_cstr(&what) : NULL;
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "settings of the secure executor");
    wr_primitive_scope_of(text, &secure->inner, 1, ret);
    return 0;
}

struct wr_primitive *wr_secure_new(struct wr_primitive *inner, const struct wr_secure_opts *given,
                                   struct wr_error *err)
{
    static const struct wr_primitive_ops ops = {
        .struct_size = sizeof ops,
        .execute = execute,
        .stats = stats,
        .free = secure_free,
    };
    char scope[WR_PRIMITIVE_SCOPE_MAX];
    struct wr_primitive *primitive = NULL;
    struct wr_secure_opts opts;

    if (!inner)
        return NULL;
    struct secure *secure = wr_calloc(1, sizeof *secure);
    if (!secure) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, NAME);
        wr_primitive_free(inner);
        return NULL;
    }
    secure->inner = inner;
    if (wr_options_read(given, &opts, sizeof opts, "wr_secure_opts", err) == 0 &&
        fill(secure, &opts, err) == 0 && scope_of(secure, &opts, scope, err) == 0)
        primitive = wr_primitive_make(
            &(struct wr_primitive_spec){.name = NAME, .ops = &ops, .self = secure, .scope = scope},
            err);
    if (!primitive)
        secure_free(secure);
    return primitive;
}
