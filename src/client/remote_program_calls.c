/* What is done with a program that runs. */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/str.h"
#include "client/remote_ops.h"
#include "client/remote_program.h"
#include "json/jread.h"
#include "json/jwrite.h"
#include "json/value.h"

#define MAX_MESSAGE ((size_t)4096)

/* A call's time and token are its own; between calls nothing is watched. */
static int end_call(struct wr_remote_program *program, int result)
{
    struct wr_error ignored = {0};

    (void)!wr_remote_rebind(&program->use, NULL, &ignored);
    return result;
}

int wr_remote_program_wait(void *self, const struct wr_wait *wait, struct wr_value **ret,
                           struct wr_error *err)
{
    struct wr_remote_program *program = self;

    int r = wr_remote_rebind(&program->use, wait, err);
    if (r == 0)
        r = wr_remote_program_follow(program, err);
    if (r == 0)
        r = wr_remote_program_result(program, ret, err);
    return end_call(program, r);
}

static int has_ended(struct wr_error *err)
{
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "the program has ended");
}

/* Until no piece of input is under way, nor one that it was started with. The answer that says what
 * became of a piece may come after the program's end: they travel on two connections. */
static int drain_input(struct wr_remote_program *program, struct wr_error *err)
{
    int r = 0;

    while (r == 0 && (program->writing || (program->input && !program->ended)))
        r = wr_remote_step(&program->use, "input of the program", err);
    if (r == 0 && program->error.code != WR_OK)
        return wr_remote_program_follow(program, err); /* says what it is */
    if (r == 0 && program->ended && (program->input || program->write_error.code != WR_OK))
        return has_ended(err);
    if (r == 0 && program->write_error.code != WR_OK) {
        *err = program->write_error;
        r = -err->code;
    }
    return r;
}

int wr_remote_program_write(void *self, const void *bytes, size_t len, const struct wr_wait *wait,
                            struct wr_error *err)
{
    struct wr_remote_program *program = self;
    const char *at = bytes;

    program->write_error = (struct wr_error){0};
    int r = wr_remote_rebind(&program->use, wait, err);
    if (r == 0)
        r = drain_input(program, err);
    if (r == 0 && program->ended)
        r = has_ended(err);
    while (r == 0 && len > 0) {
        size_t piece = WR_MIN(len, WR_PROCESS_INPUT_CHUNK);
        r = wr_process_input(program->process, at, piece, err);
        if (r < 0)
            break;
        program->writing = true;
        r = drain_input(program, err);
        at += piece;
        len -= piece;
    }
    return end_call(program, r);
}

/* ---- calls beside the one that follows it ---- */

/* {"process": {"pid": n}: the caller writes the rest and ends the object. */
static void begin_message(struct wr_jw *w, struct wr_buf *out, uint32_t pid)
{
    wr_jw_init(w, out);
    wr_jw_object(w);
    wr_jw_key(w, "process");
    wr_jw_object(w);
    wr_jw_ku64(w, "pid", pid);
    wr_jw_end(w);
}

/* On a transport of its own: another thread may be following the program. */
static int ask(const struct wr_remote_program *program, const char *path, struct wr_jw *w,
               const struct wr_wait *wait, struct wr_error *err)
{
    const struct wr_call call = {.sandbox = &program->access,
                                 .user = program->user[0] ? program->user : NULL,
                                 .wait = *wait};
    struct wr_remote_use use = {0};

    wr_jw_end(w);
    int r = wr_jw_finish(w);
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "message to the agent");
    r = wr_remote_begin(program->use.remote, wait, &use, err);
    if (r == 0)
        r = wr_remote_rpc(&use, &call, path, w->out, NULL, err);
    wr_remote_end(&use);
    return r;
}

/* Whoever has ended needs no signal and reads no input. */
static int unless_ended(int r, const struct wr_error *why, struct wr_error *err)
{
    if (r == 0 || r == -WR_E_NOT_FOUND)
        return 0;
    *err = *why;
    return r;
}

int wr_remote_program_close_input(void *self, const struct wr_wait *wait, struct wr_error *err)
{
    struct wr_remote_program *program = self;
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    struct wr_error why = {0};
    struct wr_jw w;

    program->close_input = false;
    int r = wr_remote_rebind(&program->use, wait, err);
    if (r == 0 && !program->ended && program->input)
        r = drain_input(program, err);
    end_call(program, r);
    if (r < 0 || program->ended)
        return r;
    begin_message(&w, &message, program->pid);
    r = ask(program, "/process.Process/CloseStdin", &w, wait, &why);
    return unless_ended(r, &why, err);
}

int wr_remote_program_resize(void *self, uint16_t cols, uint16_t rows, const struct wr_wait *wait,
                             struct wr_error *err)
{
    const struct wr_remote_program *program = self;
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    struct wr_jw w;

    begin_message(&w, &message, program->pid);
    wr_jw_key(&w, "pty");
    wr_jw_object(&w);
    wr_jw_key(&w, "size");
    wr_jw_object(&w);
    wr_jw_ku64(&w, "cols", cols);
    wr_jw_ku64(&w, "rows", rows);
    wr_jw_end(&w);
    wr_jw_end(&w);
    return ask(program, "/process.Process/Update", &w, wait, err);
}

int wr_remote_program_signal(void *self, int signo, const struct wr_wait *wait,
                             struct wr_error *err)
{
    static const struct {
        int signo;
        const char *name;
    } names[] = {
        {SIGINT, "SIGNAL_SIGINT"}, {SIGKILL, "SIGNAL_SIGKILL"}, {SIGTERM, "SIGNAL_SIGTERM"}};
    const struct wr_remote_program *program = self;
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    const char *name = NULL;
    struct wr_error why = {0};
    struct wr_jw w;

    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (names[i].signo == signo)
            name = names[i].name;
    begin_message(&w, &message, program->pid);
    if (name)
        wr_jw_kstr(&w, "signal", name);
    else
        wr_jw_ki64(&w, "signal", signo);
    int r = ask(program, "/process.Process/SendSignal", &w, wait, &why);
    return unless_ended(r, &why, err);
}

uint32_t wr_remote_program_pid(const void *self)
{
    const struct wr_remote_program *program = self;

    return program->pid;
}

/* [{"config": {"cmd", "args", ...}, "pid", "tag"}] -> the same without the level between. */
static json_t *flatten(const json_t *processes)
{
    json_t *list = json_array();
    const json_t *process;
    size_t i;

    json_array_foreach(processes, i, process) {
        json_t *item = json_copy((json_t *)(uintptr_t)process);
        json_t *config = json_object_get(item, "config");
        if (json_is_object(config))
            (void)json_object_update_missing(item, config);
        json_object_del(item, "config");
        if (json_array_append_new(list, item) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

int wr_remote_program_list(void *self, const struct wr_call *call, struct wr_value **ret,
                           struct wr_error *err)
{
    wr_auto_buf message = WR_BUF(MAX_MESSAGE);
    wr_auto_json *answer = NULL;
    struct wr_remote_use use = {0};

    int r = wr_buf_append_str(&message, "{}");
    if (r < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -r, "list of programs");
    r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_check_reach(&use, call, err);
    if (r == 0)
        r = wr_remote_rpc(&use, call, "/process.Process/List", &message, &answer, err);
    wr_remote_end(&use);
    if (r < 0)
        return r;
    const json_t *processes = json_object_get(answer, "processes");
    if (processes && !json_is_array(processes))
        return wr_fail(err, WR_E_INTERNAL, 0, "the agent gave no list of programs");
    json_t *list = flatten(processes);
    if (!list)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "list of programs");
    *ret = wr_value_of_json(list);
    return 0;
}
