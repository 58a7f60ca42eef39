#include "cli/cmd_run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "cli/awake.h"
#include "cli/language.h"
#include "cli/out.h"
#include "cli/picture_draw.h"
#include "cli/program.h"
#include "cli/run_files.h"
#include "cli/run_notebook.h"
#include "cli/sandbox_end.h"
#include "cli/session.h"
#include "json/jread.h"

/* Exit status when --timeout ended the program, as timeout(1) has it. */
#define EXIT_TIMED_OUT 124

struct values {
    struct wr_sandbox_values sandbox;
    struct wr_opt_list files;
    const char *lang, *user;
    struct wr_notebook_values notebook;
    struct wr_primitive_values primitives;
    uint64_t timeout_ms;
    bool json, timing, keep;
};

#define NOTEBOOK(member) offsetof(struct values, notebook.member)

static const struct wr_opt opts[] = {
    {"lang", 'l', WR_OPT_STRING, offsetof(struct values, lang), "LANG",
     "python, js or sh; cells also ts, r, java (default: by the file)", 0, 0, false},
    {"timeout", 0, WR_OPT_DURATION, offsetof(struct values, timeout_ms), "TIME",
     "kill the program after TIME; the status is then 124", 1, 86400000, false},
    WR_SANDBOX_OPTS(offsetof(struct values, sandbox)),
    {"file", 'f', WR_OPT_LIST, offsetof(struct values, files), "HOST:PATH",
     "copy a file in first (repeatable)", 0, 0, false},
    {"user", 'u', WR_OPT_STRING, offsetof(struct values, user), "NAME",
     "user of the program (the template's)", 0, 0, false},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL,
     "collect the output and print one JSON object; of cells one per event", 0, 0, false},
    {"timing", 0, WR_OPT_FLAG, offsetof(struct values, timing), NULL,
     "say on standard error how long it took", 0, 0, false},
    {"keep", 0, WR_OPT_FLAG, offsetof(struct values, keep), NULL,
     "keep the sandbox (for its lifetime of 5m) and print its id", 0, 0, false},
    {"cells", 0, WR_OPT_FLAG, NOTEBOOK(cells), NULL, "run the cells of FILE, which \"# %%\" begins",
     0, 0, false},
    {"keep-going", 0, WR_OPT_FLAG, NOTEBOOK(keep_going), NULL, "cells: go on after one that failed",
     0, 0, false},
    {"save", 0, WR_OPT_FLAG, NOTEBOOK(save), NULL,
     "cells: write what was run to NAME.executed.ipynb", 0, 0, false},
    {"save-as", 0, WR_OPT_STRING, NOTEBOOK(save_as), "PATH",
     "cells: the same to PATH, which may be FILE itself", 0, 0, false},
    {"out", 'o', WR_OPT_STRING, NOTEBOOK(out), "DIR",
     "cells: directory for pictures (that of FILE)", 0, 0, false},
    {"pictures", 0, WR_OPT_CHOICE, NOTEBOOK(pictures), WR_PICTURE_CHOICES,
     "cells: how the terminal draws", 0, 0, false},
    WR_PRIMITIVE_OPTS(offsetof(struct values, primitives)),
};

/* The option that makes FILE an execution of code; NULL: none was given. */
static const char *primitive_of(const struct wr_invocation *in)
{
    return wr_primitive_given(&in->own, offsetof(struct values, primitives));
}

/* Whether standard input can have something for the program: closed and /dev/null cannot. */
static bool has_input(void)
{
    struct stat st;

    if (fstat(STDIN_FILENO, &st) < 0)
        return false;
    return !(S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 && minor(st.st_rdev) == 3);
}

static int print_result(const struct wr_invocation *in, const struct wr_session_result *result,
                        int status, const char *id, struct wr_error *err)
{
    wr_auto_json *json = json_object();
    uint64_t now = wr_mono_us();
    int failed = 0;

    failed |= json_object_set_new(json, "sandboxID", json_string(id));
    failed |= json_object_set_new(json, "exitCode", json_integer(status));
    failed |= json_object_set_new(json, "signal",
                                  result->signal ? json_integer(result->signal) : json_null());
    failed |= json_object_set_new(json, "timedOut", json_boolean(result->timed_out));
    failed |= json_object_set_new(json, "truncated", json_boolean(result->truncated));
    failed |=
        json_object_set_new(json, "durationMs", json_real((double)(now - in->start_us) / 1000));
    if (result->first_output_us)
        failed |=
            json_object_set_new(json, "firstOutputMs",
                                json_real((double)(result->first_output_us - in->start_us) / 1000));
    /* Latin-1 would be a lie and base64 a nuisance: bytes that are not UTF-8 become U+FFFD below.
     */
    const struct wr_buf *bufs[] = {&result->out, &result->err};
    const char *const names[] = {"stdout", "stderr"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bufs); i++) {
        wr_auto_free char *text = wr_utf8_repair(wr_buf_ptr(bufs[i]), bufs[i]->len);
        failed |= !text || json_object_set_new(json, names[i], json_string_nocheck(text));
    }
    if (failed)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "result");
    return wr_print_json(json, err);
}

static void print_timing(const struct wr_invocation *in, const struct wr_session_result *result,
                         int status)
{
    if (result->first_output_us)
        fprintf(stderr, "first output after %.1f ms, exit status %d\n",
                (double)(result->first_output_us - in->start_us) / 1000, status);
    else
        fprintf(stderr, "no output, exit status %d\n", status);
}

static int exit_status(const struct values *values, const struct wr_session_result *result)
{
    if (result->interrupted_by)
        return 128 + result->interrupted_by;
    if (result->timed_out) {
        fprintf(stderr, "warren: the program was killed after its time limit of %.6g s\n",
                (double)values->timeout_ms / 1000);
        return EXIT_TIMED_OUT;
    }
    return result->exit_status;
}

/* In the sandbox: files, program, its end. */
static int run_program(const struct wr_invocation *in, struct wr_transport *client,
                       struct wr_session *session, const char *id,
                       const struct wr_language *language, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_free char *path = wr_calloc(1, WR_FILE_PATH_MAX);
    wr_auto_free const char **args = wr_calloc(in->arg_count + 1, sizeof *args);
    struct wr_session_result result;

    if (!path || !args)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "arguments");
    for (size_t i = 0; i < values->files.count; i++) {
        int r = wr_program_add_file(client, id, values->files.items[i], err);
        if (r < 0)
            return r;
    }
    int r = wr_program_upload(client, id, in->args[0], language->file_name, path, err);
    if (r < 0)
        return r;
    args[0] = path;
    for (size_t i = 1; i < in->arg_count; i++)
        args[i] = in->args[i];
    const char *env = language->env;
    struct wr_session_opts session_opts = {
        .process = {.sandbox_id = id,
                    .user = values->user,
                    .cmd = language->interpreter,
                    .args = args,
                    .arg_count = in->arg_count,
                    .envs = &env,
                    .env_count = env ? 1 : 0,
                    .timeout_ms = values->timeout_ms},
        .forward_input = !wr_streq(in->args[0], "-") && has_input(),
        .capture = values->json,
        .keep_alive = true,
    };
    r = wr_session_run(session, &session_opts, &result, err);
    if (r == 0) {
        int status = exit_status(values, &result);
        if (values->json)
            r = print_result(in, &result, status, id, err);
        if (r == 0)
            r = status;
        if (values->timing)
            print_timing(in, &result, status);
    }
    wr_session_result_done(&result);
    return r;
}

/* What follows FILE where it is no program's: options, and other files. *ret holds all of them but
 * the first, to free(). */
static int read_late_options(const struct wr_invocation *in, struct wr_opt_args **ret,
                             struct wr_error *err)
{
    wr_auto_free struct wr_opt_args *args = wr_calloc(1, sizeof *args);
    wr_auto_free char **argv = wr_calloc(in->arg_count, sizeof *argv);
    const struct wr_opt_set sets[] = {in->own, in->shared};

    if (!args || !argv)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "arguments");
    /* They are parts of argv, which is not constant. */
    for (size_t i = 1; i < in->arg_count; i++)
        argv[i - 1] = (char *)(uintptr_t)in->args[i];
    int r =
        wr_opts_parse(sets, WR_ARRAY_SIZE(sets), (int)in->arg_count - 1, argv, SIZE_MAX, args, err);
    if (r == 0)
        *ret = wr_steal_ptr(&args);
    return r < 0 ? wr_wrap(err, "run") : 0;
}

static int run_notebook(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_free struct wr_opt_args *late = NULL;

    int r = read_late_options(in, &late, err);
    if (r < 0)
        return r;
    const char *primitive = primitive_of(in);
    if (late->count > 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "run: cells take no arguments (\"%.40s\")",
                       late->items[0]);
    if (primitive)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --%s is not for cells: they are executed one by one", primitive);
    if (values->user)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --user is not for cells: they run as the template's user");
    /* Only now: the late options have changed the values. */
    const struct wr_notebook_run notebook = {
        .file = in->args[0],
        .lang = values->lang,
        .sandbox = &values->sandbox,
        .files = &values->files,
        .values = &values->notebook,
        .timeout_ms = values->timeout_ms,
        .json = values->json,
        .timing = values->timing,
        .keep = values->keep,
    };
    return wr_notebook_run(in, &notebook, err);
}

/* Options of programs that executions of code have no use for. */
static int refuse_options(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct {
        const char *name, *why;
        bool given;
    } options[] = {
        {"keep", "sandboxes are ended, or used again", values->keep},
        {"user", "code runs as the template's user", values->user != NULL},
        {"disk", "not every server has it", values->sandbox.disk_bytes > 0},
        {"pids", "not every server has it", values->sandbox.pids > 0},
        {"group", "not every server has it", values->sandbox.group != NULL},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        if (options[i].given)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "option --%s does not go together with --%s: %s", options[i].name,
                           primitive_of(in), options[i].why);
    if (values->primitives.cache_ttl_ms > 0 && !values->primitives.cache)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --cache-ttl needs --cache");
    return wr_notebook_refuse(&values->notebook, err);
}

static int run_primitives(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    wr_auto_free struct wr_opt_args *late = NULL;

    int r = read_late_options(in, &late, err);
    if (r == 0)
        r = refuse_options(in, err);
    if (r < 0)
        return r;
    const size_t count = late->count + 1;
    wr_auto_free const char **files = wr_calloc(count, sizeof *files);
    if (!files)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "arguments");
    files[0] = in->args[0];
    for (size_t i = 1; i < count; i++)
        files[i] = late->items[i - 1];
    if (count > 1 && values->primitives.pool == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "code that is executed with --%s takes no arguments (\"%.40s\"); --pool "
                       "executes several FILEs",
                       primitive_of(in), files[1]);
    for (size_t i = 0; i < count; i++)
        if (wr_notebook_meant(files[i], &values->notebook))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%.80s: cells do not go together with --%s", files[i], primitive_of(in));
    const struct wr_run_files run = {.files = files,
                                     .count = count,
                                     .lang = values->lang,
                                     .values = &values->primitives,
                                     .sandbox = &values->sandbox,
                                     .copied = &values->files,
                                     .timeout_ms = values->timeout_ms,
                                     .json = values->json,
                                     .timing = values->timing};
    return wr_run_files(in, &run, err);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_api_sandbox_opts create = wr_api_sandbox_opts_of(&values->sandbox);
    const struct wr_language *language = NULL;
    struct wr_transport *client = NULL;
    struct wr_session *session = NULL;
    wr_auto_close int check_fd = -1;
    uint64_t size = 0;
    char id[WR_ID_LEN + 1];

    if (wr_notebook_meant(in->args[0], &values->notebook))
        return run_notebook(in, err);
    if (primitive_of(in))
        return run_primitives(in, err);
    int r = wr_notebook_refuse(&values->notebook, err);
    if (r == 0)
        r = wr_language_choose(values->lang, in->args[0], &language, err);
    /* A wrong name is told before a sandbox is made. */
    if (r == 0 && !wr_streq(in->args[0], "-"))
        r = wr_open_regular(in->args[0], &check_fd, &size, err);
    if (r == 0)
        r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_session_new(client, &session, err);
    if (r == 0) {
        r = wr_api_sandbox_create(client, &create, id, NULL, err);
        if (r == 0) {
            r = run_program(in, client, session, id, language, err);
            bool paused = r < 0 && wr_cli_paused_meanwhile(client, id, err);
            r = paused ? -err->code : r;
            if (!paused)
                wr_sandbox_end(client, id, values->keep);
        }
        if (r == -WR_E_CANCELED && wr_session_signal(session))
            r = 128 + wr_session_signal(session);
    }
    wr_session_free(session);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_run = {
    .name = "run",
    .summary = "Run a program in a new sandbox",
    .usage = "[OPTIONS] FILE|- [ARG...]",
    .details =
        "The program is copied into the sandbox and run by python3, node or bash there. Standard\n"
        "input, output and its exit status are the program's (128 + N when signal N killed it).\n"
        "Ctrl-C interrupts the program; a second one ends the sandbox. The sandbox is deleted at\n"
        "the end, unless `warren pause` has paused it: the program goes on after `warren resume`.\n"
        "Arguments behind FILE go to the program.\n\n"
        "A notebook (.ipynb), or with --cells a program whose comments \"# %%\" (\"// %%\") begin\n"
        "cells, is run cell by cell in one interpreter, to the first cell that fails; the status is\n"
        "1 then. Pictures become files NAME-cellN-K.png beside FILE. Options may follow FILE.\n\n"
        "With any of the options of primitives FILE is executed as code of an interpreter: its\n"
        "output comes as it is written, the value of the last expression behind it, an error as\n"
        "traceback on standard error. It has no arguments and no input; \"-\" is Python code unless\n"
        "--lang says otherwise; --timeout is 30s if it is not given. The status is 0, 1 when the\n"
        "code failed, 124 when it ran too long. --json prints one object per FILE, in one line.\n"
        "--policy and --audit stand before the sandbox, redaction and --cache behind it; what is\n"
        "kept in the cache is redacted. Options may follow FILE.\n\n"
        "examples:\n"
        "  warren run examples/factorial.py\n"
        "  warren run --retry 3 --cache --redact analysis.py\n"
        "  warren run --pool 4 --timing a.py b.py c.py\n"
        "  warren run --backend e2b --fallback --metrics metrics.prom job.py",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .min_args = 1,
    .max_args = WR_OPT_MAX_ARGS,
    .stop_after = 1,
    .run = run,
};
