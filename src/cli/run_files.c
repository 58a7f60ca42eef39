#include "cli/run_files.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/execution_chain.h"
#include "cli/execution_request.h"
#include "cli/execution_view.h"
#include "cli/interrupt.h"
#include "json/jread.h"
#include "json/value.h"
#include "warren/telemetry.h"

#define EXIT_CODE_FAILED 1
#define EXIT_TIMED_OUT   124 /* as timeout(1) has it */
#define FLUSH_MS         5000
#define METRICS_MODE     0644
#define MAX_LINE         512

/* One file. */
struct execution {
    json_t *input; /* owned */
    int r;         /* of the call */
    bool succeeded;
    struct wr_error error;
};

struct runs {
    const struct wr_invocation *in;
    const struct wr_run_files *run;
    struct execution *items;
    struct wr_interrupt *interrupt;
    struct wr_telemetry *telemetry;
    struct wr_primitive *primitive;
    struct wr_turns *turns;
    atomic_size_t next;
};

static void runs_done(struct runs *runs)
{
    for (size_t i = 0; runs->items && i < runs->run->count; i++)
        json_decref(runs->items[i].input);
    free(runs->items);
    wr_primitive_free(runs->primitive);
    wr_turns_free(runs->turns);
    wr_telemetry_free(runs->telemetry);
    wr_interrupt_free(runs->interrupt);
}

/* ---- before anything is executed ---- */

static int read_inputs(struct runs *runs, struct wr_error *err)
{
    const struct wr_run_files *run = runs->run;
    const struct wr_execution_parts parts = {.timeout_ms = run->timeout_ms,
                                             .files = run->copied,
                                             .install = &run->values->install,
                                             .envs = &run->sandbox->envs};
    wr_auto_json *shared = NULL;
    bool input_read = false;

    runs->items = wr_calloc(run->count, sizeof *runs->items);
    if (!runs->items)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "files");
    int r = wr_execution_parts_read(&parts, &shared, err);
    for (size_t i = 0; r == 0 && i < run->count; i++) {
        bool is_input = wr_streq(run->files[i], "-");
        if (is_input && input_read)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "standard input (-) is given twice");
        input_read |= is_input;
        r = wr_execution_request_read(run->files[i], run->lang, shared, &runs->items[i].input, err);
    }
    return r;
}

static void on_broken(void *data)
{
    struct runs *runs = data;

    wr_interrupt_raise(runs->interrupt, SIGPIPE);
}

static int prepare(struct runs *runs, struct wr_error *err)
{
    const struct wr_run_files *run = runs->run;
    uint64_t pool = run->values->pool;

    int r = read_inputs(runs, err);
    if (r == 0)
        r = wr_interrupt_new(&runs->interrupt, err);
    if (r < 0)
        return r;
    struct wr_cancel *cancel = wr_interrupt_cancel(runs->interrupt);
    runs->telemetry =
        wr_telemetry_new(WR_OPTS(wr_telemetry_opts, .otlp_endpoint = run->values->otlp), err);
    if (!runs->telemetry)
        return wr_wrap(err, run->values->otlp ? "option --otlp" : "telemetry");
    const struct wr_turns_opts turns = {.count = run->count,
                                        .out_fd = STDOUT_FILENO,
                                        .err_fd = STDERR_FILENO,
                                        .cancel = cancel,
                                        .on_broken = on_broken,
                                        .data = runs};
    r = wr_turns_new(&turns, &runs->turns, err);
    const struct wr_chain_opts chain = {
        .in = runs->in,
        .values = run->values,
        .sandbox = run->sandbox,
        .cancel = cancel,
        .pool_size = (unsigned)WR_MIN(pool, (uint64_t)run->count),
    };
    return r < 0 ? r : wr_chain_new(&chain, &runs->primitive, err);
}

/* ---- one file ---- */

static void say(struct runs *runs, size_t number, const char *text)
{
    wr_turns_end_line(runs->turns, number);
    (void)wr_turns_write(runs->turns, number, true, text, strlen(text));
}

/* "==> a.py <==", as head(1) has it. */
static void show_head(struct runs *runs, size_t number)
{
    wr_auto_free char *line =
        wr_asprintf("%s==> %s <==\n", number > 0 ? "\n" : "", runs->run->files[number]);

    if (line && runs->run->count > 1 && !runs->run->json)
        (void)wr_turns_write(runs->turns, number, false, line, strlen(line));
}

static unsigned attempts_of(struct wr_workflow *workflow)
{
    wr_auto_value *moments = wr_workflow_checkpoints(workflow);
    unsigned attempts = 1;

    for (size_t i = 0; i < wr_value_count(moments); i++)
        attempts +=
            wr_starts_with(wr_value_string(wr_value_at(moments, i), "name"), "retry.backoff_");
    return attempts;
}

static void show_json(struct runs *runs, size_t number, const struct wr_value *output,
                      unsigned attempts)
{
    const struct execution *x = &runs->items[number];
    wr_auto_json *line = output
                             ? json_copy(wr_value_json(output))
                             : json_pack("{s:b, s:s, s:s}", "success", false, "error", x->error.msg,
                                         "error_code", wr_code_name((enum wr_code)x->error.code));

    (void)json_object_set_new(line, "file", json_string(runs->run->files[number]));
    (void)json_object_set_new(line, "attempts", json_integer((json_int_t)attempts));
    wr_auto_free char *text =
        line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15)) : NULL;
    if (!text || wr_turns_write(runs->turns, number, false, text, strlen(text)) < 0)
        return;
    (void)wr_turns_write(runs->turns, number, false, "\n", 1);
}

static void show_timing(struct runs *runs, size_t number, const struct wr_value *output,
                        unsigned attempts)
{
    char line[MAX_LINE];
    bool fits;

    if (wr_value_bool(output, "cached", false))
        fits =
            wr_strformat(line, sizeof line, "%.160s: out of the cache\n", runs->run->files[number]);
    else
        fits = wr_strformat(
            line, sizeof line, "%.160s: sandbox %.1f ms, run %.1f ms, %u attempt%s\n",
            runs->run->files[number], wr_value_double(output, "sandbox_ms", 0),
            wr_value_double(output, "execution_time_ms", 0), attempts, attempts == 1 ? "" : "s");
    if (fits)
        say(runs, number, line);
}

/* What people see besides the output, which they have seen already. */
static void show_rest(struct runs *runs, size_t number, const struct wr_value *output)
{
    const struct execution *x = &runs->items[number];
    char line[MAX_LINE];

    wr_turns_end_line(runs->turns, number);
    if (x->r < 0 && runs->run->count > 1 && x->r != -WR_E_CANCELED &&
        wr_strformat(line, sizeof line, "warren: %.160s: %s\n", runs->run->files[number],
                     x->error.msg))
        say(runs, number, line);
    if (wr_value_bool(output, "cached", false) && wr_value_bool(output, "truncated", false))
        say(runs, number, "warren: the cache has only the beginning of this output\n");
}

static void execute(struct runs *runs, size_t number)
{
    struct execution *x = &runs->items[number];
    struct wr_execution_view view = {.turns = runs->turns, .number = number};
    wr_auto_value *output = NULL;
    struct wr_workflow *workflow =
        wr_workflow_new(WR_OPTS(wr_workflow_opts, .telemetry = runs->telemetry,
                                .cancel = wr_interrupt_cancel(runs->interrupt),
                                .on_event = runs->run->json ? NULL : wr_execution_view_event,
                                .on_event_data = &view),
                        &x->error);

    show_head(runs, number);
    x->r = workflow ? wr_primitive_execute(runs->primitive, wr_value_of_json(x->input), workflow,
                                           &output, &x->error)
                    : -x->error.code;
    x->succeeded = x->r == 0 && wr_value_bool(output, "success", false);
    unsigned attempts = workflow ? attempts_of(workflow) : 0;
    if (runs->run->json)
        show_json(runs, number, output, attempts);
    else
        show_rest(runs, number, output);
    if (runs->run->timing && x->r == 0)
        show_timing(runs, number, output, attempts);
    wr_workflow_free(workflow);
}

static void *work(void *data)
{
    struct runs *runs = data;
    const struct wr_cancel *cancel = wr_interrupt_cancel(runs->interrupt);

    for (size_t i = atomic_fetch_add(&runs->next, 1); i < runs->run->count;
         i = atomic_fetch_add(&runs->next, 1)) {
        if (wr_cancel_fired(cancel))
            runs->items[i].r =
                wr_fail(&runs->items[i].error, WR_E_CANCELED, 0, "%s", "interrupted");
        else
            execute(runs, i);
        wr_turns_end(runs->turns, i);
    }
    return NULL;
}

/* The calling thread is one of the workers. */
static void run_all(struct runs *runs)
{
    size_t wanted = WR_MIN(WR_MAX(runs->run->values->pool, (uint64_t)1), runs->run->count);
    wr_auto_free pthread_t *threads = wr_calloc(wanted, sizeof *threads);
    size_t started = 0;

    for (; threads && started + 1 < wanted; started++) {
        if (pthread_create(&threads[started], NULL, work, runs) != 0)
            break; /* those that there are do it */
        (void)pthread_setname_np(threads[started], "warren-run");
    }
    (void)work(runs);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
}

/* ---- afterwards ---- */

static int write_metrics(struct runs *runs, struct wr_error *err)
{
    const char *path = runs->run->values->metrics;
    char *text = path ? wr_telemetry_prometheus(runs->telemetry) : NULL;
    int r = 0;

    if (!path)
        return 0;
    if (!text)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "option --metrics");
    if (wr_streq(path, "-"))
        r = wr_write_all(STDERR_FILENO, text, strlen(text));
    else
        r = wr_file_replace(AT_FDCWD, path, text, strlen(text), METRICS_MODE, WR_VOLATILE);
    wr_free(text);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "option --metrics: write %.160s", path)
                 : 0;
}

/* What was measured is lost then, and nothing else. */
static void send_telemetry(struct runs *runs)
{
    const struct wr_wait wait = {.timeout_ms = FLUSH_MS,
                                 .cancel = wr_interrupt_cancel(runs->interrupt)};
    struct wr_error why = {0};

    if (runs->run->values->otlp && wr_telemetry_flush(runs->telemetry, &wait, &why) < 0)
        fprintf(stderr, "warren: option --otlp: %s\n", why.msg);
}

/* Of several files those that could not be executed were told already. */
static int status_of(const struct runs *runs, struct wr_error *err)
{
    const struct execution *first = &runs->items[0];
    bool all = true;

    int r = wr_turns_check(runs->turns, err);
    if (r < 0)
        return r;
    if (wr_interrupt_signal(runs->interrupt))
        return 128 + wr_interrupt_signal(runs->interrupt);
    for (size_t i = 0; i < runs->run->count; i++)
        all &= runs->items[i].succeeded;
    if (runs->run->count > 1 || first->r == 0)
        return all ? 0 : EXIT_CODE_FAILED;
    if (first->r == -WR_E_DEADLINE_EXCEEDED) {
        fprintf(stderr, "warren: %s\n", first->error.msg);
        return EXIT_TIMED_OUT;
    }
    *err = first->error;
    return first->r;
}

static int finish(struct runs *runs, struct wr_error *err)
{
    uint64_t first_us = wr_turns_first_output_us(runs->turns);
    struct wr_error metrics_error = {0};

    /* Sandboxes have ended before the figures are taken. */
    runs->primitive = wr_primitive_free(runs->primitive);
    int status = status_of(runs, err);
    int written = write_metrics(runs, &metrics_error);
    send_telemetry(runs);
    if (runs->run->timing && status >= 0 && first_us)
        fprintf(stderr, "first output after %.1f ms, exit status %d\n",
                (double)(first_us - runs->in->start_us) / 1e3, status);
    else if (runs->run->timing && status >= 0)
        fprintf(stderr, "no output, exit status %d\n", status);
    if (written == 0 || status < 0)
        return status;
    *err = metrics_error;
    return written;
}

int wr_run_files(const struct wr_invocation *in, const struct wr_run_files *run,
                 struct wr_error *err)
{
    WR_CLEANUP(runs_done) struct runs runs = {.in = in, .run = run};

    atomic_init(&runs.next, 0);
    int r = prepare(&runs, err);
    if (r == 0) {
        run_all(&runs);
        return finish(&runs, err);
    }
    if (r == -WR_E_CANCELED && runs.interrupt && wr_interrupt_signal(runs.interrupt))
        return 128 + wr_interrupt_signal(runs.interrupt);
    return r;
}
