#include "cli/run_notebook.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "cli/awake.h"
#include "cli/cell_run.h"
#include "cli/notebook.h"
#include "cli/percent_cells.h"
#include "cli/program.h"
#include "cli/sandbox_end.h"
#include "cli/text_width.h"
#include "json/jread.h"

#define EXIT_CELL_FAILED 1
#define EXIT_TIMED_OUT   124 /* as timeout(1) has it */
#define NOTEBOOK         ".ipynb"
#define EXECUTED         ".executed.ipynb"
#define DIR_MODE         0777 /* less what the umask takes */

/* The file, its names, and what becomes of it. */
struct work {
    const struct wr_notebook_run *run;
    char *dir, *stem; /* of the file, without its extension */
    const char *out;  /* directory of pictures */
    char *save_as;    /* NULL: nothing is written */
    struct wr_cells cells;
    struct wr_recorder recorder;
    struct wr_cells_tally tally;
};

static void work_done(struct work *work)
{
    wr_recorder_done(&work->recorder);
    wr_cells_done(&work->cells);
    free(work->dir);
    free(work->stem);
    free(work->save_as);
}

bool wr_notebook_meant(const char *file, const struct wr_notebook_values *values)
{
    return values->cells || wr_ends_with(file, NOTEBOOK);
}

int wr_notebook_refuse(const struct wr_notebook_values *values, struct wr_error *err)
{
    const struct {
        const char *name;
        bool given;
    } options[] = {
        {"out", values->out != NULL},         {"pictures", values->pictures != 0},
        {"keep-going", values->keep_going},   {"save", values->save},
        {"save-as", values->save_as != NULL},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(options); i++)
        if (options[i].given)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "option --%s is for notebooks (.ipynb) and, with --cells, for programs "
                           "with cells",
                           options[i].name);
    return 0;
}

/* ---- before the sandbox ---- */

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "notebook");
}

static int choose_names(struct work *work, struct wr_error *err)
{
    const struct wr_notebook_run *run = work->run;
    wr_auto_free char *copy = wr_strdup(run->file);
    wr_auto_free char *copy_of_base = wr_strdup(run->file);

    if (!copy || !copy_of_base)
        return no_memory(err);
    work->dir = wr_strdup(dirname(copy));
    const char *base = basename(copy_of_base);
    const char *dot = strrchr(base, '.');
    work->stem = wr_strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
    if (run->values->save_as)
        work->save_as = wr_strdup(run->values->save_as);
    else if (run->values->save && work->dir && work->stem)
        work->save_as = wr_streq(work->dir, ".")
                            ? wr_asprintf("%s" EXECUTED, work->stem)
                            : wr_asprintf("%s/%s" EXECUTED, work->dir, work->stem);
    work->out = run->values->out ? run->values->out : work->dir;
    if (!work->dir || !work->stem ||
        (!work->save_as && (run->values->save || run->values->save_as)))
        return no_memory(err);
    return 0;
}

static int read_file(const char *file, struct wr_buf *text, struct wr_error *err)
{
    wr_auto_close int fd = -1;
    uint64_t size = 0;

    /* For its errors, which name the file and the reason. */
    int r = wr_open_regular(file, &fd, &size, err);
    if (r < 0)
        return r;
    r = wr_file_read(AT_FDCWD, file, text);
    if (r == -EFBIG)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%.160s is larger than %zu MiB", file,
                       WR_CELLS_FILE_MAX / WR_MIB);
    return r < 0 ? wr_fail(err, wr_code_from_errno(-r), -r, "read %.160s", file) : 0;
}

static int parse_notebook(struct work *work, const struct wr_buf *text,
                          const struct wr_cell_language *language, struct wr_error *err)
{
    wr_auto_json *json = NULL;

    int r = wr_notebook_parse(wr_buf_ptr(text), text->len, &json, err);
    if (r == 0)
        r = wr_notebook_cells(json, language, &work->cells, err);
    if (r == 0)
        r = wr_recorder_init(&work->recorder, work->save_as ? json_incref(json) : NULL,
                             &work->cells, err);
    return r;
}

static int parse_percent(struct work *work, const struct wr_buf *text,
                         const struct wr_cell_language *language, struct wr_error *err)
{
    json_t *json = NULL;

    if (!language)
        language = wr_cell_language_of_file(work->run->file);
    if (!language)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the language is not known by its extension; give --lang python, "
                       "javascript, typescript, bash, r or java");
    int r = wr_percent_cells_read(text->len ? wr_buf_ptr(text) : "", text->len, language,
                                  &work->cells, err);
    if (r < 0)
        return r;
    if (work->save_as) {
        json = wr_notebook_make(&work->cells);
        if (!json)
            return no_memory(err);
    }
    return wr_recorder_init(&work->recorder, json, &work->cells, err);
}

static int prepare(struct work *work, struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(WR_CELLS_FILE_MAX);
    const struct wr_notebook_run *run = work->run;
    const struct wr_cell_language *language = NULL;

    int r = run->lang ? wr_cell_language_choose(run->lang, &language, err) : 0;
    if (r == 0)
        r = choose_names(work, err);
    if (r == 0)
        r = read_file(run->file, &text, err);
    if (r < 0)
        return r;
    r = wr_ends_with(run->file, NOTEBOOK) ? parse_notebook(work, &text, language, err)
                                          : parse_percent(work, &text, language, err);
    if (r < 0)
        return wr_wrap(err, "%.100s", run->file);
    if (run->values->out) {
        r = wr_mkdir_parents(AT_FDCWD, run->values->out, DIR_MODE);
        if (r < 0)
            return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %.160s",
                           run->values->out);
    }
    return 0;
}

/* ---- in the sandbox ---- */

static int run_cells(struct work *work, struct wr_cell_session *session,
                     struct wr_transport *client, const char *id, bool *ret_failed,
                     struct wr_error *err)
{
    const struct wr_notebook_run *run = work->run;
    struct wr_cell_view view = {
        .ops = run->json ? &wr_cell_view_json : &wr_cell_view_text,
        .output = wr_cell_session_output(session),
        .dir = work->out,
        .stem = work->stem,
        .protocol = wr_picture_protocol_choose(run->values->pictures),
        .styled = isatty(STDOUT_FILENO) == 1,
    };
    const struct wr_cell_run cell_run = {.session = session,
                                         .view = &view,
                                         .recorder = work->save_as ? &work->recorder : NULL,
                                         .language = work->cells.language->name};
    int r = 0;

    for (size_t i = 0; r == 0 && i < run->files->count; i++)
        r = wr_program_add_file(client, id, run->files->items[i], err);
    if (r == 0)
        r = wr_cell_session_open(session, id, run->timeout_ms, err);
    if (r == 0)
        r = wr_cells_run(&cell_run, &work->cells, run->values->keep_going, &work->tally, err);
    *ret_failed = view.failed || work->tally.failed > 0;
    return r;
}

/* The last event of --json. */
static void print_done(const struct work *work, struct wr_cell_session *session, const char *id,
                       int status)
{
    json_t *event = json_pack("{s:s, s:i, s:i, s:i, s:s, s:s?}", "event", "done", "status", status,
                              "cells", (int)work->tally.ran, "failed", (int)work->tally.failed,
                              "sandboxID", id, "saved", work->save_as);
    wr_auto_free char *text = event ? json_dumps(event, JSON_COMPACT) : NULL;

    json_decref(event);
    if (!text)
        return;
    wr_cell_output_write(wr_cell_session_output(session), false, text, strlen(text));
    wr_cell_output_write(wr_cell_session_output(session), false, "\n", 1);
}

/* Why the cells ended early, as a status; `r` when it was none of the user's reasons. */
static int status_of(const struct work *work, const struct wr_cell_session *session, int r,
                     bool failed)
{
    if (r == -WR_E_CANCELED && wr_cell_session_timed_out(session)) {
        fprintf(stderr, "warren: the cells were interrupted after their time limit of %.6g s\n",
                (double)work->run->timeout_ms / 1000);
        return EXIT_TIMED_OUT;
    }
    if (r == -WR_E_CANCELED && wr_cell_session_signal(session))
        return 128 + wr_cell_session_signal(session);
    if (r < 0)
        return r;
    return failed ? EXIT_CELL_FAILED : 0;
}

static int with_sandbox(struct work *work, struct wr_transport *client,
                        struct wr_cell_session *session, const char *id, struct wr_error *err)
{
    bool failed = false;
    int r = run_cells(work, session, client, id, &failed, err);
    int status = status_of(work, session, r, failed);

    wr_cell_session_finish(session);
    if (work->save_as && (status >= 0 || work->tally.ran > 0)) {
        struct wr_error save_error = {0};
        /* The first reason is the one that counts. */
        r = wr_recorder_write(&work->recorder, work->save_as, &save_error);
        if (r < 0 && status >= 0) {
            *err = save_error;
            status = r;
        }
    }
    if (work->run->json && status >= 0)
        print_done(work, session, id, status);
    return status;
}

int wr_notebook_run(const struct wr_invocation *in, const struct wr_notebook_run *run,
                    struct wr_error *err)
{
    struct wr_api_sandbox_opts create = wr_api_sandbox_opts_of(run->sandbox);
    struct work work = {.run = run};
    struct wr_transport *client = NULL;
    struct wr_cell_session *session = NULL;
    char id[WR_ID_LEN + 1];

    wr_text_locale();
    int r = prepare(&work, err);
    if (r == 0)
        r = wr_cli_connect(in, &client, err);
    if (r == 0)
        r = wr_cell_session_new(client, &session, err);
    if (r == 0)
        r = wr_api_sandbox_create(client, &create, id, NULL, err);
    if (r == 0) {
        r = with_sandbox(&work, client, session, id, err);
        bool paused = r < 0 && wr_cli_paused_meanwhile(client, id, err);
        r = paused ? -err->code : r;
        if (!paused)
            wr_sandbox_end(client, id, run->keep);
    } else if (r == -WR_E_CANCELED && session && wr_cell_session_signal(session)) {
        r = 128 + wr_cell_session_signal(session);
    }
    wr_cell_session_free(session);
    wr_transport_free(client);
    if (run->timing && r >= 0)
        fprintf(stderr, "%u cells in %.1f ms, exit status %d\n", work.tally.ran,
                (double)(wr_mono_us() - in->start_us) / 1000, r);
    work_done(&work);
    return r;
}
