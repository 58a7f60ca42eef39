/*
 * Runs a secure executor as a JSON object on standard input says, and prints what came of it. The
 * server comes from the environment.
 *
 *     {"options": {"policy": {}, "no_policy", "no_redaction", "patterns": [], "literals": [],
 *      "max_per_second", "audit_path", "audit_code"}, "inputs": [...]}
 *
 * -> {"results": [{"result": ...} or {"error": {"code", "message"}}, each with "report"],
 *     "events": {"stdout": text, "stderr": text}, "stats": ...}
 *
 *     {"append_to": path}     appends to an audit log until it is killed; prints a line for each
 *     {"verify": path, "expected": hash}  -> {"result": ...} or {"error": ...}
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define MAX_TEXTS 16
#define MAX_HEARD (1u << 20)

static struct wr_error err;

struct heard {
    char text[2][MAX_HEARD];
    size_t len[2];
};

static struct wr_value *error_value(void)
{
    struct wr_value *error = wr_value_object();

    set(error, "code", wr_value_of_string(wr_code_name((enum wr_code)err.code)));
    set(error, "message", wr_value_of_string(err.msg));
    return error;
}

static size_t texts_of(const struct wr_value *list, const char *out[MAX_TEXTS])
{
    size_t count = wr_value_count(list);

    if (count > MAX_TEXTS)
        die("too many texts", &err);
    for (size_t i = 0; i < count; i++)
        out[i] = wr_value_string(wr_value_at(list, i), NULL);
    return count;
}

static struct wr_primitive *make(const struct wr_value *options)
{
    const char *patterns[MAX_TEXTS], *literals[MAX_TEXTS];
    struct wr_redactor_opts redactor = {
        .struct_size = sizeof redactor,
        .patterns = patterns,
        .pattern_count = texts_of(wr_value_get(options, "patterns"), patterns),
        .literals = literals,
        .literal_count = texts_of(wr_value_get(options, "literals"), literals),
    };
    struct wr_secure_opts opts = {
        .struct_size = sizeof opts,
        .policy = (struct wr_value *)(uintptr_t)wr_value_get(options, "policy"),
        .no_policy = wr_value_bool(options, "no_policy", false),
        .redactor = &redactor,
        .no_redaction = wr_value_bool(options, "no_redaction", false),
        .max_per_second = wr_value_double(options, "max_per_second", 0),
        .audit_path = text_or_null(options, "audit_path"),
        .audit_code = wr_value_bool(options, "audit_code", false),
    };
    struct wr_primitive *executor =
        wr_executor_new(NULL, WR_OPTS(wr_executor_opts, .mode = WR_SESSION), &err);

    return wr_secure_new(executor, &opts, &err);
}

static int hear(const struct wr_code_event *event, void *data)
{
    struct heard *heard = data;
    int stream = event->kind == WR_CODE_STDERR;

    if (event->kind != WR_CODE_STDOUT && event->kind != WR_CODE_STDERR)
        return 0;
    if (event->text_len >= MAX_HEARD - heard->len[stream])
        return 1;
    memcpy(heard->text[stream] + heard->len[stream], event->text, event->text_len);
    heard->len[stream] += event->text_len;
    return 0;
}

static struct wr_value *run(struct wr_primitive *secure, const struct wr_value *input,
                            struct heard *heard)
{
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .on_event = hear, .on_event_data = heard), &err);
    struct wr_value *shown = wr_value_object(), *result = NULL;

    if (!workflow)
        die("workflow", &err);
    if (wr_primitive_execute(secure, input, workflow, &result, &err) < 0)
        set(shown, "error", error_value());
    else
        set(shown, "result", result);
    struct wr_value *report = wr_workflow_get(workflow, "policy_report");
    if (report)
        set(shown, "report", report);
    wr_workflow_free(workflow);
    return shown;
}

static void run_all(const struct wr_value *script, struct wr_value *shown)
{
    static struct heard heard;
    struct wr_primitive *secure = make(wr_value_get(script, "options"));
    const struct wr_value *inputs = wr_value_get(script, "inputs");
    struct wr_value *results = wr_value_array(), *events = wr_value_object();

    if (!secure)
        die("secure", &err);
    for (size_t i = 0; i < wr_value_count(inputs); i++)
        set(results, NULL, run(secure, wr_value_at(inputs, i), &heard));
    set(shown, "results", results);
    set(events, "stdout", wr_value_of_string(heard.text[0]));
    set(events, "stderr", wr_value_of_string(heard.text[1]));
    set(shown, "events", events);
    set(shown, "stats", wr_primitive_stats(secure));
    wr_primitive_free(secure);
}

static void append_for_ever(const char *path)
{
    struct wr_audit *audit = wr_audit_open(path, &err);

    if (!audit)
        die("audit", &err);
    for (int64_t i = 0;; i++) {
        struct wr_value *record = wr_value_object();
        set(record, "n", wr_value_of_int(i));
        if (wr_audit_append(audit, record, &err) < 0)
            die("append", &err);
        wr_value_free(record);
        printf("%lld\n", (long long)i);
        fflush(stdout);
    }
}

static void verify(const struct wr_value *script, struct wr_value *shown)
{
    struct wr_value *report = NULL;

    if (wr_audit_verify(wr_value_string(script, "verify"), text_or_null(script, "expected"),
                        &report, &err) < 0)
        set(shown, "error", error_value());
    else
        set(shown, "result", report);
}

int main(void)
{
    struct wr_value *script = read_script(), *shown = wr_value_object();

    if (text_or_null(script, "append_to"))
        append_for_ever(wr_value_string(script, "append_to"));
    else if (text_or_null(script, "verify"))
        verify(script, shown);
    else
        run_all(script, shown);
    char *text = wr_value_text(shown);
    puts(text);
    wr_free(text);
    wr_value_free(shown);
    wr_value_free(script);
    return 0;
}
