#include "cli/cmd_repl.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/awake.h"
#include "cli/cell_run.h"
#include "cli/input_state.h"
#include "cli/line_editor.h"
#include "cli/sandbox_end.h"
#include "cli/sandbox_opts.h"
#include "cli/script_input.h"
#include "cli/text_width.h"

#define EXIT_CELL_FAILED 1
#define INPUT_MAX        ((size_t)16 * 1024 * 1024)
#define MORE_PROMPT      "... "
#define STEM             "repl" /* of pictures' files */

struct values {
    struct wr_sandbox_values sandbox;
    const char *lang, *out;
    uint64_t pictures;
    bool fresh;
};

static const struct wr_opt opts[] = {
    {"lang", 'l', WR_OPT_STRING, offsetof(struct values, lang), "LANG",
     "python (default), javascript, typescript, bash, r or java", 0, 0, false},
    {"new", 'n', WR_OPT_FLAG, offsetof(struct values, fresh), NULL,
     "in SANDBOX: a context of its own, which ends with the prompt", 0, 0, false},
    {"out", 'o', WR_OPT_STRING, offsetof(struct values, out), "DIR",
     "directory for pictures (the current one)", 0, 0, false},
    {"pictures", 0, WR_OPT_CHOICE, offsetof(struct values, pictures), WR_PICTURE_CHOICES,
     "how the terminal draws", 0, 0, false},
    WR_SANDBOX_OPTS(offsetof(struct values, sandbox)),
};

struct repl {
    const struct values *values;
    const struct wr_cell_language *language;
    struct wr_cell_session *session;
    struct wr_cell_view view;
    struct wr_input_wait wait;
    char context_id[WR_INTERPRETER_CONTEXT_MAX]; /* "": the default one */
    struct wr_buf text;                          /* of the input so far */
    unsigned number;                             /* of inputs that were run */
    bool leave;
};

/* ---- one input ---- */

/* Of an input that is one line: what people type to leave, and commands of the prompt itself. */
static bool is_line(const struct repl *repl, const char *line)
{
    size_t len = strlen(line);

    return repl->text.len == len + 1 && memcmp(wr_buf_ptr(&repl->text), line, len) == 0;
}

static bool is_leaving(const struct repl *repl)
{
    static const char *const lines[] = {":quit", "exit", "quit", "exit()", "quit()"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(lines); i++)
        if (is_line(repl, lines[i]))
            return true;
    return false;
}

static int restart(struct repl *repl, struct wr_error *err)
{
    const struct wr_interpreter *interpreter = wr_cell_session_interpreter(repl->session);
    static const char done[] = "a new interpreter\n";
    char id[WR_INTERPRETER_CONTEXT_MAX];
    int r = 0;

    if (repl->context_id[0])
        memcpy(id, repl->context_id, sizeof id);
    else
        r = wr_interpreter_context_find(interpreter, repl->language->name, id, err);
    if (r == 0)
        r = wr_interpreter_context_restart(interpreter, id, err);
    if (r == -WR_E_NOT_FOUND)
        r = 0; /* nothing has run in it yet */
    if (r == 0)
        wr_cell_output_write(repl->view.output, false, done, strlen(done));
    return r;
}

/* True when the input was a command of the prompt; `r` is its result. */
static bool run_command(struct repl *repl, int *r, struct wr_error *err)
{
    static const char help[] =
        "An input is run when it is complete; an indented block ends with an empty line, and two\n"
        "empty lines end anything. Ctrl-C interrupts what runs, or drops the line; Ctrl-D leaves.\n"
        ":restart   a new interpreter: all its variables are gone\n"
        ":quit      leave (also exit, quit)\n";

    *r = 0;
    if (is_leaving(repl))
        repl->leave = true;
    else if (is_line(repl, ":restart"))
        *r = restart(repl, err);
    else if (is_line(repl, ":help"))
        wr_cell_output_write(repl->view.output, false, help, strlen(help));
    else
        return false;
    return true;
}

/* Runs what was collected. 1 when its code failed. */
static int run_input(struct repl *repl, bool commands, struct wr_error *err)
{
    struct wr_cell cell = {.kind = WR_CELL_CODE,
                           .number = repl->number + 1,
                           .source = wr_buf_cstr(&repl->text),
                           .source_len = repl->text.len};
    const struct wr_cell_run run = {.session = repl->session,
                                    .view = &repl->view,
                                    .context_id = repl->context_id[0] ? repl->context_id : NULL,
                                    .language = repl->language->name};
    struct wr_cell_outcome outcome = {0};
    int r = 0;

    if (!cell.source)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "input");
    if (!commands || !run_command(repl, &r, err)) {
        repl->number++;
        r = wr_cell_run(&run, &cell, 0, &outcome, err);
    }
    wr_buf_clear(&repl->text);
    return r < 0 ? r : outcome.status == WR_CELL_FAILED;
}

static int add_line(struct repl *repl, const char *line, size_t len, struct wr_error *err)
{
    int r = wr_buf_append(&repl->text, line, len);

    if (r == 0)
        r = wr_buf_append_char(&repl->text, '\n');
    return r < 0 ? wr_fail(err, WR_E_INVALID_ARGUMENT, -r, "the input is too long") : 0;
}

static bool is_blank(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!strchr(" \t\r", line[i]) || line[i] == '\0')
            return false;
    return true;
}

static bool is_blank_text(const struct repl *repl)
{
    const char *text = wr_buf_ptr(&repl->text);

    for (size_t i = 0; i < repl->text.len; i++)
        if (text[i] != '\n' && !is_blank(text + i, 1))
            return false;
    return true;
}

static enum wr_input_state state_of(const struct repl *repl)
{
    return wr_input_state_of(repl->language, wr_buf_ptr(&repl->text), repl->text.len);
}

/* ---- from a terminal ---- */

/* Whether what was typed can run; `blanks` counts the empty lines at its end. */
static bool is_typed(const struct repl *repl, unsigned blanks)
{
    enum wr_input_state state = state_of(repl);

    return state == WR_INPUT_COMPLETE || blanks >= 2 || (state == WR_INPUT_BLOCK && blanks >= 1);
}

/* An interrupt of the user's was for the input or the cell; everything else ends the prompt. */
static int after_input(struct repl *repl, int r, struct wr_error *err)
{
    static const char text[] = "\ninterrupted\n"; /* behind the terminal's own "^C" */

    if (r == -WR_E_CANCELED && wr_cell_session_signal(repl->session) == SIGINT) {
        wr_cell_session_resume(repl->session);
        wr_cell_output_write(repl->view.output, true, text, strlen(text));
        return 0;
    }
    /* What the interpreter itself refuses ends no prompt. */
    if (r == -WR_E_INVALID_ARGUMENT || r == -WR_E_INTERNAL) {
        wr_cell_view_warn(&repl->view, err->msg);
        return 0;
    }
    return r < 0 ? r : 0;
}

static int read_typed(struct repl *repl, struct wr_line_editor *editor, struct wr_error *err)
{
    unsigned blanks = 0;
    int r = 0;

    while (r == 0 && !repl->leave) {
        const char *line = NULL;
        bool first = repl->text.len == 0;
        wr_sink_flush(&repl->view.output->out);
        wr_sink_flush(&repl->view.output->err);
        enum wr_line_result result =
            wr_line_editor_read(editor, first ? repl->language->prompt : MORE_PROMPT, &line);
        if (result == WR_LINE_END)
            break;
        if (result == WR_LINE_INTERRUPT) {
            if (wr_cell_session_signal(repl->session) != SIGINT)
                return wr_fail(err, WR_E_CANCELED, 0, "interrupted");
            wr_cell_session_resume(repl->session);
            wr_buf_clear(&repl->text);
            continue;
        }
        size_t len = strlen(line);
        blanks = is_blank(line, len) ? blanks + 1 : 0;
        if (first && blanks > 0)
            continue;
        r = add_line(repl, line, len, err);
        if (r == 0 && is_typed(repl, blanks))
            r = after_input(repl, run_input(repl, true, err), err);
    }
    return r;
}

static int from_terminal(struct repl *repl, const char *sandbox_id, struct wr_error *err)
{
    struct wr_line_editor *editor = NULL;
    char name[64];

    if (!wr_strformat(name, sizeof name, "history-%s", repl->language->name))
        return wr_fail(err, WR_E_INTERNAL, 0, "name of the history");
    int r = wr_line_editor_new(name, &repl->wait, &editor, err);
    if (r < 0)
        return r;
    printf("%s in sandbox %s; :help helps, Ctrl-D leaves\n", repl->language->display, sandbox_id);
    fflush(stdout);
    r = read_typed(repl, editor, err);
    wr_line_editor_free(editor);
    if (r == 0 && !repl->leave)
        putchar('\n');
    return r;
}

/* ---- from a file or a pipe ---- */

/* A block ends where something else begins, not at an empty line. */
static int run_before(struct repl *repl, const char *line, size_t len, struct wr_error *err)
{
    if (repl->text.len == 0 || state_of(repl) != WR_INPUT_BLOCK ||
        wr_input_continues(wr_buf_ptr(&repl->text), repl->text.len, line, len))
        return 0;
    return run_input(repl, false, err);
}

static int from_script(struct repl *repl, struct wr_error *err)
{
    struct wr_script_input input;
    const char *line = NULL;
    size_t len = 0;
    int r = 0;

    wr_script_input_init(&input, &repl->wait);
    while (r == 0) {
        int more = wr_script_input_next(&input, &line, &len, err);
        if (more <= 0) {
            r = more;
            break;
        }
        r = run_before(repl, line, len, err);
        if (r == 0)
            r = add_line(repl, line, len, err);
        if (r == 0 && is_blank_text(repl))
            wr_buf_clear(&repl->text);
        else if (r == 0 && state_of(repl) == WR_INPUT_COMPLETE)
            r = run_input(repl, false, err);
    }
    if (r == 0 && repl->text.len > 0)
        r = run_input(repl, false, err);
    wr_script_input_done(&input);
    return r;
}

/* ---- the sandbox ---- */

static int in_context(struct repl *repl, const char *sandbox_id, struct wr_error *err)
{
    const struct wr_interpreter *interpreter = wr_cell_session_interpreter(repl->session);
    const bool terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    struct wr_error ignored = {0};
    int r = 0;

    if (repl->values->fresh)
        r = wr_interpreter_context_create(interpreter, repl->language->name, NULL, repl->context_id,
                                          err);
    if (r < 0)
        return r;
    r = terminal ? from_terminal(repl, sandbox_id, err) : from_script(repl, err);
    wr_cell_session_finish(repl->session);
    /* With a sandbox that ends as well there is nothing to lose. */
    if (repl->context_id[0])
        (void)!wr_interpreter_context_delete(interpreter, repl->context_id, &ignored);
    return r;
}

static int with_session(struct repl *repl, struct wr_transport *client, const char *named,
                        struct wr_error *err)
{
    struct wr_api_sandbox_opts create = wr_api_sandbox_opts_of(&repl->values->sandbox);
    char id[WR_ID_LEN + 1];
    const char *sandbox_id = named ? named : id;

    int r = named ? 0 : wr_api_sandbox_create(client, &create, id, NULL, err);
    if (r < 0)
        return r;
    r = wr_cell_session_open(repl->session, sandbox_id, 0, err);
    if (r == 0)
        r = in_context(repl, sandbox_id, err);
    bool paused = r < 0 && wr_cli_paused_meanwhile(client, sandbox_id, err);
    if (!named && !paused)
        wr_sandbox_end(client, id, false);
    return paused ? -err->code : r;
}

static int prepare(const struct wr_invocation *in, struct repl *repl, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_sandbox_values *sandbox = &values->sandbox;
    const char *dir = values->out ? values->out : ".";

    if (in->arg_count > 0 &&
        (sandbox->template_name || sandbox->cpu_millis || sandbox->memory_bytes ||
         sandbox->disk_bytes || sandbox->pids || sandbox->envs.count))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "repl: template, limits and variables are for a new sandbox, not for %.40s",
                       in->args[0]);
    int r = wr_cell_language_choose(values->lang ? values->lang : "python", &repl->language, err);
    if (r == 0 && values->out) {
        r = wr_mkdir_parents(AT_FDCWD, dir, 0777);
        if (r < 0)
            return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %.160s", dir);
    }
    repl->values = values;
    repl->view = (struct wr_cell_view){
        .ops = &wr_cell_view_text,
        .dir = dir,
        .stem = STEM,
        .headless = true,
        .protocol = wr_picture_protocol_choose(values->pictures),
    };
    wr_buf_init(&repl->text, INPUT_MAX);
    return r;
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    struct wr_transport *client = NULL;
    struct repl repl = {0};

    wr_text_locale();
    int r = prepare(in, &repl, err);
    if (r == 0)
        r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_cell_session_new(client, &repl.session, err);
    if (r == 0) {
        repl.view.output = wr_cell_session_output(repl.session);
        wr_input_wait_init(&repl.wait, client);
        r = with_session(&repl, client, in->arg_count > 0 ? in->args[0] : NULL, err);
        if (r == -WR_E_CANCELED && wr_cell_session_signal(repl.session))
            r = 128 + wr_cell_session_signal(repl.session);
        else if (r == 0 && repl.view.failed)
            r = EXIT_CELL_FAILED;
    }
    wr_buf_done(&repl.text);
    wr_cell_session_free(repl.session);
    wr_transport_free(client);
    return r;
}

const struct wr_command wr_cmd_repl = {
    .name = "repl",
    .summary = "Talk to an interpreter in a sandbox",
    .usage = "[OPTIONS] [SANDBOX]",
    .details =
        "Inputs run in the default context of the language, in SANDBOX (an id; a paused one is\n"
        "resumed), which goes on afterwards, or in a new sandbox, which ends with the prompt. What\n"
        "is typed runs when it is complete: brackets and quotes are closed, and an empty line ends\n"
        "an indented block. Ctrl-C interrupts what runs, Ctrl-D leaves. Pictures become files\n"
        "repl-cellN-K.png. When standard input is no terminal, its inputs run one after the other,\n"
        "to the first that fails; the status is 1 then.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .max_args = 1,
    .run = run,
};
