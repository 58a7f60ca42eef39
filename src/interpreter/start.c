#include "interpreter/start.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/exec/spawn.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "interpreter/fork_request.h"
#include "interpreter/limits.h"

struct wr_start {
    struct wr_loop *loop;
    const struct wr_language *language;
    struct wr_user user;
    struct wr_env env;
    char *cwd;
    int fds[3];
    bool plain;
    uint64_t begun_ms;
    struct wr_timer timer; /* the next try */
    struct wr_start_queue *queue;
    struct wr_list link; /* while it waits for its turn */
    bool has_turn;       /* from its first try to its end */
    struct wr_fork_request fork;
    wr_start_fn fn;
    void *data;
};

static void on_timer(struct wr_timer *timer, void *data);

static bool take_turn(struct wr_start *start)
{
    if (!start->has_turn && start->queue->open >= WR_FORKS) {
        wr_list_append(&start->queue->waiting, &start->link);
        return false;
    }
    if (!start->has_turn)
        start->queue->open++;
    start->has_turn = true;
    return true;
}

/* Whoever waits longest is next. */
static void leave_queue(struct wr_start *start)
{
    struct wr_error err;

    wr_list_remove(&start->link);
    if (!start->has_turn)
        return;
    start->has_turn = false;
    start->queue->open--;
    if (wr_list_empty(&start->queue->waiting))
        return;
    struct wr_start *next = wr_list_entry(start->queue->waiting.next, struct wr_start, link);
    wr_list_remove(&next->link);
    /* From the loop, because this may be inside a call of another context. Without memory for a
     * timer it ends by its runner's deadline. */
    (void)!wr_timer_start(next->loop, &next->timer, 0, on_timer, next, &err);
}

struct wr_start *wr_start_cancel(struct wr_start *start)
{
    if (!start)
        return NULL;
    leave_queue(start);
    wr_timer_stop(&start->timer);
    wr_fork_cancel(&start->fork);
    for (size_t i = 0; i < WR_ARRAY_SIZE(start->fds); i++)
        (void)wr_close(start->fds[i]);
    wr_env_done(&start->env);
    free(start->cwd);
    free(start);
    return NULL;
}

static void finish(struct wr_start *start, const struct wr_start_result *result,
                   const struct wr_error *err)
{
    wr_start_fn fn = start->fn;
    void *data = start->data;

    /* Before the call: the runner's ends have to be closed for its end to show. */
    (void)wr_start_cancel(start);
    fn(result, err, data);
}

static bool is_directory(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void start_plain(struct wr_start *start)
{
    /* execve takes non-const texts and does not change them; [0] is the spare element of wr_spawn.
     */
    char *argv[WR_LANGUAGE_MAX_ARGS + 2] = {NULL};
    struct wr_start_result result = {.pid = -1};
    struct wr_error err = {0};
    const char *path = wr_env_get(&start->env, "PATH");
    wr_auto_close int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    for (size_t i = 0; i < WR_LANGUAGE_MAX_ARGS && start->language->argv[i]; i++)
        argv[i + 1] =
            (char *)(uintptr_t)start->language->argv[i]; // NOLINT(performance-no-int-to-ptr)
    const struct wr_spawn_opts opts = {
        .cmd = start->language->argv[0],
        .argv = argv + 1,
        .envp = start->env.vars,
        .path = path ? path : WR_ENV_DEFAULT_PATH,
        .cwd = is_directory(start->cwd) ? start->cwd : "/", /* as the zygote does it */
        .user = &start->user,
        .stdio = {null_fd, start->fds[1], start->fds[2]},
        .extra_fd = start->fds[0],
        .root_cwd = true,
    };
    int rc = null_fd < 0 ? wr_fail_errno(&err, WR_E_INTERNAL, "open /dev/null")
                         : wr_spawn(&opts, &result.pid, &err);
    finish(start, &result, rc < 0 ? &err : NULL);
}

static void on_fork(int result, void *data)
{
    struct wr_start *start = data;
    struct wr_error err = {0};
    uint64_t waited_ms = wr_loop_now_ms(start->loop) - start->begun_ms;

    if (result == 0) {
        const struct wr_start_result forked = {.pid = -1, .forked = true};
        finish(start, &forked, NULL);
    } else if (result == -EAGAIN && waited_ms < WR_FORK_PATIENCE_MS) {
        if (wr_timer_start(start->loop, &start->timer, WR_FORK_RETRY_MS, on_timer, start, &err) < 0)
            finish(start, &(struct wr_start_result){.pid = -1}, &err);
    } else {
        start_plain(start);
    }
}

static void attempt(struct wr_start *start)
{
    const bool asks = start->language->zygote != 0 && !start->plain;
    int result = -ENOENT;

    if (asks && !take_turn(start))
        return;
    if (asks)
        result = wr_fork_begin(&start->fork, start->loop, start->language, &start->user, start->cwd,
                               start->fds);
    if (result < 0)
        on_fork(result, start);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    attempt(data);
}

static int copy_env(struct wr_env *to, const struct wr_env *from, struct wr_error *err)
{
    to->vars = wr_calloc(from->count + 1, sizeof(*to->vars));
    for (size_t i = 0; to->vars && i < from->count; i++) {
        to->vars[i] = wr_strdup(from->vars[i]);
        if (!to->vars[i])
            break;
        to->count = i + 1;
    }
    to->bytes = from->bytes;
    return to->vars && to->count == from->count
               ? 0
               : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for the environment");
}

int wr_start_begin(const struct wr_start_opts *opts, const int fds[static 3], wr_start_fn fn,
                   void *data, struct wr_start **ret, struct wr_error *err)
{
    struct wr_start *start = wr_calloc(1, sizeof(*start));

    if (!start) {
        for (size_t i = 0; i < 3; i++)
            (void)wr_close(fds[i]);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory to start a runner");
    }
    *start = (struct wr_start){
        .loop = opts->loop,
        .language = opts->language,
        .user = *opts->user,
        .fds = {fds[0], fds[1], fds[2]},
        .plain = opts->plain,
        .queue = opts->queue,
        .begun_ms = wr_loop_now_ms(opts->loop),
        .fork = {.fd = -1, .fn = on_fork, .data = start},
        .fn = fn,
        .data = data,
    };
    start->cwd = wr_strdup(opts->cwd);
    int rc = start->cwd ? copy_env(&start->env, opts->env, err)
                        : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory to start a runner");
    if (rc == 0)
        rc = wr_timer_start(opts->loop, &start->timer, 0, on_timer, start, err);
    if (rc < 0) {
        (void)wr_start_cancel(start);
        return rc;
    }
    *ret = start;
    return 0;
}
