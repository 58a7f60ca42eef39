/*
 * Programs for tests/libwarren/test_telemetry.py. What they print is JSON, one line each.
 *
 *     telemetry_check spans            spans of the program's own, in a trace that it was given
 *     telemetry_check execute CODE...  executions, their log records, the page of the metrics
 *     telemetry_check serve PORT       executions, then metrics over HTTP until the end of stdin
 *     telemetry_check compare A B N    N executions each with collector A and B, in turns
 *     telemetry_check flood A N MS     N spans as fast as they can be made, then a flush of MS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "warren/warren.h"

#define TRACEPARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static void check(const void *made, const struct wr_error *err)
{
    if (made)
        return;
    fprintf(stderr, "%s: %s\n", wr_code_name((enum wr_code)err->code), err->msg);
    exit(1);
}

static long number(const char *text)
{
    return strtol(text, NULL, 10);
}

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* {name: text} as a line; the text is freed. */
static void print(const char *name, char *text)
{
    struct wr_error err = {0};
    struct wr_value *line = wr_value_object(), *value = NULL;

    if (text && (text[0] == '{' || text[0] == '['))
        (void)wr_value_parse(text, strlen(text), &value, &err);
    else if (text)
        value = wr_value_of_string(text);
    (void)wr_value_set(line, name, value, &err);
    wr_free(text);
    text = wr_value_text(line);
    puts(text);
    wr_free(text);
    wr_value_free(line);
}

static void print_stats(struct wr_telemetry *telemetry)
{
    struct wr_value *stats = wr_telemetry_stats(telemetry);

    print("stats", wr_value_text(stats));
    wr_value_free(stats);
}

static void on_log(const struct wr_value *record, void *data)
{
    (void)data;
    print("log", wr_value_text(record));
}

static struct wr_telemetry *new_telemetry(const char *endpoint)
{
    struct wr_error err = {0};
    struct wr_telemetry *telemetry =
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = endpoint,
                                 .export_interval_ms = 200, .on_log = on_log),
                         &err);

    check(telemetry, &err);
    return telemetry;
}

static struct wr_workflow *new_workflow(struct wr_telemetry *telemetry)
{
    struct wr_error err = {0};
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .telemetry = telemetry, .traceparent = TRACEPARENT,
                .tracestate = "vendor=1", .correlation_id = "req-123", .session_id = "s-1"),
        &err);

    check(workflow, &err);
    return workflow;
}

/* The result of the flush as a line, the figures as another. */
static void flush(struct wr_telemetry *telemetry, uint64_t timeout_ms)
{
    struct wr_error err = {0};
    const struct wr_wait wait = {.timeout_ms = timeout_ms};
    int r = wr_telemetry_flush(telemetry, &wait, &err);

    print("flush", strdup(r == 0 ? "ok" : wr_code_name((enum wr_code)err.code)));
    print_stats(telemetry);
}

/* ---- a primitive that costs nothing ---- */

static int echo(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                struct wr_value **ret, struct wr_error *err)
{
    struct wr_span *span = wr_span_begin(workflow, "inside");

    (void)self;
    (void)err;
    wr_span_set_string(span, "text", "a \"quoted\" \xc3\xa4 \xff text\n");
    wr_span_set_int(span, "least", INT64_MIN);
    wr_span_set_double(span, "third", 1.0 / 3);
    wr_span_set_double(span, "infinite", 1e308 * 10);
    wr_span_set_bool(span, "truth", true);
    wr_span_end(span, NULL);
    *ret = wr_value_ref((struct wr_value *)(uintptr_t)input);
    return 0;
}

static int refuse(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                  struct wr_value **ret, struct wr_error *err)
{
    (void)self;
    (void)input;
    (void)workflow;
    (void)ret;
    err->code = WR_E_UNAVAILABLE;
    (void)snprintf(err->msg, sizeof err->msg, "refused on purpose");
    return -WR_E_UNAVAILABLE;
}

static struct wr_primitive *new_primitive(const char *name, bool good)
{
    static const struct wr_primitive_ops good_ops = {.struct_size = sizeof good_ops,
                                                     .execute = echo},
                                         bad_ops = {.struct_size = sizeof bad_ops,
                                                    .execute = refuse};
    struct wr_error err = {0};
    struct wr_primitive *primitive =
        wr_primitive_new(name, good ? &good_ops : &bad_ops, NULL, &err);

    check(primitive, &err);
    return primitive;
}

static void execute(struct wr_primitive *primitive, struct wr_workflow *workflow)
{
    struct wr_error err = {0};
    struct wr_value *input = wr_value_object(), *output = NULL;

    (void)!wr_primitive_execute(primitive, input, workflow, &output, &err);
    wr_value_free(output);
    wr_value_free(input);
}

/* ---- spans ---- */

static int spans(void)
{
    struct wr_telemetry *telemetry = new_telemetry(NULL);
    struct wr_workflow *workflow = new_workflow(telemetry);
    struct wr_primitive *good = new_primitive("Good", true), *bad = new_primitive("Bad", false);
    struct wr_span *outer = wr_span_begin(workflow, "outer");
    char traceparent[56];

    wr_workflow_traceparent(workflow, traceparent);
    print("traceparent", strdup(traceparent));
    execute(good, workflow);
    execute(bad, workflow);
    wr_span_end(outer, NULL);
    flush(telemetry, 10000);
    wr_primitive_free(good);
    wr_primitive_free(bad);
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
    return 0;
}

/* ---- executions ---- */

static void execute_codes(struct wr_telemetry *telemetry, char **codes)
{
    struct wr_error err = {0};
    struct wr_primitive *executor = wr_executor_new(NULL, NULL, &err);
    struct wr_workflow *workflow = new_workflow(telemetry);

    check(executor, &err);
    for (; *codes; codes++) {
        struct wr_value *input = wr_value_object(), *output = NULL;
        (void)wr_value_set(input, "code", wr_value_of_string(*codes), &err);
        if (wr_primitive_execute(executor, input, workflow, &output, &err) < 0)
            print("error", strdup(err.msg));
        else
            print("result", wr_value_text(output));
        wr_value_free(output);
        wr_value_free(input);
    }
    wr_workflow_free(workflow);
    wr_primitive_free(executor);
}

static int executions(char **codes)
{
    struct wr_telemetry *telemetry = new_telemetry(NULL);

    execute_codes(telemetry, codes);
    print("page", wr_telemetry_prometheus(telemetry));
    flush(telemetry, 10000);
    wr_telemetry_free(telemetry);
    return 0;
}

static int serve(const char *port)
{
    char *codes[] = {(char[]){"print(1)"}, (char[]){"1 / 0"}, NULL};
    struct wr_telemetry *telemetry = new_telemetry("");
    struct wr_error err = {0};
    uint16_t told = 0;

    execute_codes(telemetry, codes);
    if (wr_telemetry_serve(telemetry, NULL, (uint16_t)number(port), &told, &err) < 0)
        check(NULL, &err);
    if (wr_telemetry_serve(telemetry, NULL, told, NULL, &err) != -WR_E_ALREADY_EXISTS)
        check(NULL, &err);
    print("serving", strdup("yes"));
    fflush(stdout);
    while (getchar() != EOF)
        ;
    wr_telemetry_free(telemetry);
    return 0;
}

/* ---- collectors that do not do what they should ---- */

static int compare(const char *a, const char *b, int count)
{
    struct wr_telemetry *telemetries[] = {new_telemetry(a), new_telemetry(b)};
    struct wr_primitive *primitive = new_primitive("Good", true);
    double times[2] = {0}, ends[2] = {0};
    char text[256];

    for (int i = 0; i < count; i++)
        for (int j = 0; j < 2; j++) {
            struct wr_workflow *workflow = new_workflow(telemetries[j]);
            double start = now_ms();
            execute(primitive, workflow);
            times[j] += now_ms() - start;
            wr_workflow_free(workflow);
        }
    for (int j = 0; j < 2; j++) {
        print_stats(telemetries[j]);
        ends[j] = now_ms();
        wr_telemetry_free(telemetries[j]);
        ends[j] = now_ms() - ends[j];
    }
    (void)snprintf(text, sizeof text,
                   "{\"a_ms\": %f, \"b_ms\": %f, \"a_end_ms\": %f, \"b_end_ms\": %f}", times[0],
                   times[1], ends[0], ends[1]);
    print("times", strdup(text));
    wr_primitive_free(primitive);
    return 0;
}

static int flood(const char *endpoint, int count, uint64_t flush_ms)
{
    struct wr_telemetry *telemetry = new_telemetry(endpoint);
    struct wr_workflow *workflow = new_workflow(telemetry);

    for (int i = 0; i < count; i++)
        wr_span_end(wr_span_begin(workflow, "flood"), NULL);
    flush(telemetry, flush_ms);
    wr_workflow_free(workflow);
    wr_telemetry_free(telemetry);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "spans") == 0)
        return spans();
    if (argc > 2 && strcmp(argv[1], "execute") == 0)
        return executions(argv + 2);
    if (argc == 3 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2]);
    if (argc == 5 && strcmp(argv[1], "compare") == 0)
        return compare(argv[2], argv[3], (int)number(argv[4]));
    if (argc == 5 && strcmp(argv[1], "flood") == 0)
        return flood(argv[2], (int)number(argv[3]), (uint64_t)number(argv[4]));
    return 2;
}
