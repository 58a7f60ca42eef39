#include "cli/criu_build.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/criu_script.h"
#include "sys/tool.h"
#include "template/interrupt.h"
#include "template/progress.h"

#define NAME          "build-criu"
#define SAYS          NAME ": "
#define DONE          SAYS "installed "
#define TIME_LIMIT_MS (30U * 60 * 1000) /* a slow mirror needs minutes; what takes longer hangs */
#define WORK          "TMPDIR="
#define PHASE_BYTES   47 /* struct wr_progress.phase */
#define FIXED         3

static const char *const fixed[FIXED] = {
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8",
    "HOME=/root"};
/* Of the host: its way out, and where it gets packages. */
static const char *const passed[] = {"http_proxy",  "https_proxy", "no_proxy",     "HTTP_PROXY",
                                     "HTTPS_PROXY", "NO_PROXY",    "DEBIAN_MIRROR"};

struct environment {
    const char *vars[FIXED + 1 + WR_ARRAY_SIZE(passed) + 1];
    char *owned[WR_ARRAY_SIZE(passed)];
    char work[PATH_MAX]; /* "TMPDIR=...": of our own, since a script that is killed removes nothing
                          */
};

static void environment_done(struct environment *env)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(env->owned); i++)
        free(env->owned[i]);
    if (env->work[0])
        (void)!wr_remove_tree(AT_FDCWD, env->work + strlen(WORK)); /* a temporary directory */
}

static int make_work(struct environment *env, struct wr_error *err)
{
    const char *parent = getenv("TMPDIR");

    if (!wr_strformat(env->work, sizeof env->work, WORK "%s/warren-criu.XXXXXX",
                      parent && *parent ? parent : "/tmp") ||
        !mkdtemp(env->work + strlen(WORK))) {
        env->work[0] = '\0';
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "make a directory in %.100s",
                             parent && *parent ? parent : "/tmp");
    }
    return 0;
}

static int environment_build(struct environment *env, struct wr_error *err)
{
    size_t count = 0;
    const int rc = make_work(env, err);

    if (rc < 0)
        return rc;
    env->vars[count++] = env->work;

    for (size_t i = 0; i < WR_ARRAY_SIZE(fixed); i++)
        env->vars[count++] = fixed[i];
    for (size_t i = 0; i < WR_ARRAY_SIZE(passed); i++) {
        const char *value = getenv(passed[i]);
        if (!value)
            continue;
        env->owned[i] = wr_asprintf("%s=%s", passed[i], value);
        if (!env->owned[i])
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "environment of " NAME);
        env->vars[count++] = env->owned[i];
    }
    return 0;
}

struct build {
    struct wr_progress bar;
    char last[200]; /* what the script said last: when it fails, why */
    bool built;
};

/* Besides what it does the script prints the end of a log, when something fails, and the path. */
static void on_line(const char *line, void *data)
{
    struct build *b = data;
    char phase[PHASE_BYTES + 1];

    if (!wr_starts_with(line, SAYS)) {
        if (b->bar.out && line[0] != '/') {
            wr_progress_end(&b->bar);
            fprintf(b->bar.out, "%s\n", line);
        }
        return;
    }
    b->built |= wr_starts_with(line, DONE);
    const char *text = line + strlen(SAYS);
    (void)snprintf(b->last, sizeof b->last, "%s", text);
    (void)snprintf(phase, sizeof phase, "%s", text);
    wr_progress_phase(&b->bar, phase, 0, 0);
}

static void on_tick(void *data)
{
    struct build *b = data;

    wr_progress_tick(&b->bar);
}

static int failed(int rc, int status, const struct build *b, struct wr_error *err)
{
    switch (rc) {
    case 0:
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "criu was not built: %.180s",
                       b->last[0]      ? b->last
                       : status == 127 ? "a program is missing"
                                       : "no reason");
    case -ECANCELED:
        return wr_fail(err, WR_E_CANCELED, 0, "interrupted; packages that were installed stay");
    case -ETIMEDOUT:
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the build of criu was ended after %u min",
                       TIME_LIMIT_MS / 60000);
    case -ENOENT:
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "bash is not installed, which builds criu; `apt-get install bash`");
    default:
        return wr_fail(err, WR_E_INTERNAL, -rc, "run the build of criu");
    }
}

int wr_criu_build(const struct wr_criu_build_opts *opts, bool *ret_was_there, struct wr_error *err)
{
    /* "--": a directory that looks like an option is a directory. */
    const char *const argv[] = {"bash", "-c", wr_criu_script, NAME, "--", opts->directory, NULL};
    WR_CLEANUP(environment_done) struct environment env = {.vars = {NULL}};
    wr_auto_interrupt interrupt = WR_INTERRUPT;
    struct build build = {.built = false};
    int status = 0;

    int rc = environment_build(&env, err);
    if (rc == 0)
        rc = wr_interrupt_open(&interrupt, err);
    if (rc < 0)
        return rc;
    wr_progress_init(&build.bar, opts->progress, "");
    const struct wr_tool tool = {.argv = argv,
                                 .env = env.vars,
                                 .cancel_fd = interrupt.fd,
                                 .timeout_ms = TIME_LIMIT_MS,
                                 .line = on_line,
                                 .tick = on_tick,
                                 .data = &build};
    rc = wr_tool_run(&tool, &status);
    wr_progress_end(&build.bar);
    if (rc < 0 || status != 0)
        return failed(rc, status, &build, err);
    *ret_was_there = !build.built;
    return 0;
}
