/* Real processes; whoever has to wait for another waits on a pipe. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/job.h"
#include "test.h"

#define STEP_MS 10000 /* until a test gives up */

static char top[64];
static int top_fd = -1;
static struct wr_loop *loop;
static struct wr_error err;

static void setup(void)
{
    snprintf(top, sizeof(top), "/tmp/test_job.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0 && wr_loop_new(&loop, &err) == 0);
}

static void teardown(void)
{
    loop = wr_loop_free(loop);
    wr_close(top_fd);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

struct outcome {
    int calls, code;
    char msg[240];
    uint64_t value;
    char text[32];
};

struct result {
    uint64_t value;
    char text[32];
};

static void on_done(void *data, const void *result, const struct wr_error *error)
{
    struct outcome *o = data;
    CHECK((result == NULL) == (error != NULL));
    o->calls++;
    if (error) {
        o->code = error->code;
        snprintf(o->msg, sizeof(o->msg), "%s", error->msg);
    } else {
        const struct result *r = result;
        o->value = r->value;
        snprintf(o->text, sizeof(o->text), "%s", r->text);
    }
}

static struct wr_job *start(struct wr_job_spec spec, struct outcome *o)
{
    struct wr_job *job = NULL;
    spec.result_size = sizeof(struct result);
    spec.lock_fd = top_fd;
    spec.name = "job-test";
    spec.done = on_done;
    spec.data = o;
    if (wr_job_start(loop, &spec, &job, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return job;
}

static void wait_for(const struct outcome *o)
{
    for (int i = 0; i < 10 && o->calls == 0; i++)
        CHECK_INT(wr_loop_step(loop, STEP_MS, &err), 0);
    CHECK_INT(o->calls, 1);
}

static int answer(const void *arg, void *result, struct wr_error *error)
{
    struct result *r = result;
    char name[16] = "";
    (void)error;
    r->value = *(const uint64_t *)arg * 2;
    (void)prctl(PR_GET_NAME, name);
    snprintf(r->text, sizeof(r->text), "%s", name);
    if (getsid(0) != getpid() || getpgrp() != getpid())
        r->value = 0;
    return 0;
}
TEST(the_result_arrives)
{
    struct outcome o = {0};
    uint64_t arg = 21;
    setup();
    start((struct wr_job_spec){.run = answer, .arg = &arg}, &o);
    CHECK_INT(o.calls, 0); /* never from inside */
    wait_for(&o);
    CHECK_INT(o.code, 0);
    CHECK_INT(o.value, 42);
    CHECK_STR(o.text, "job-test");
    /* Nobody is left behind. */
    CHECK(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD);
    teardown();
}

static int refuse(const void *arg, void *result, struct wr_error *error)
{
    (void)arg;
    (void)result;
    return wr_fail(error, WR_E_DATA_LOSS, 0, "nothing is right");
}
TEST(an_error_arrives)
{
    struct outcome o = {0};
    setup();
    start((struct wr_job_spec){.run = refuse}, &o);
    wait_for(&o);
    CHECK_INT(o.code, WR_E_DATA_LOSS);
    CHECK_STR(o.msg, "nothing is right");
    teardown();
}

static int big(const void *arg, void *result, struct wr_error *error)
{
    (void)arg;
    (void)error;
    memset(result, 'r', WR_JOB_RESULT_MAX);
    return 0;
}
static void on_big(void *data, const void *result, const struct wr_error *error)
{
    const char *bytes = result;
    CHECK(!error && bytes[0] == 'r' && bytes[WR_JOB_RESULT_MAX - 1] == 'r');
    ++*(int *)data;
}
TEST(the_largest_result_arrives)
{
    struct wr_job *job = NULL;
    int calls = 0;
    setup();
    const struct wr_job_spec spec = {.run = big,
                                     .result_size = WR_JOB_RESULT_MAX,
                                     .lock_fd = top_fd,
                                     .name = "big",
                                     .done = on_big,
                                     .data = &calls};
    CHECK_INT(wr_job_start(loop, &spec, &job, &err), 0);
    for (int i = 0; i < 10 && calls == 0; i++)
        CHECK_INT(wr_loop_step(loop, STEP_MS, &err), 0);
    CHECK_INT(calls, 1);
    teardown();
}

static int die(const void *arg, void *result, struct wr_error *error)
{
    (void)arg;
    (void)result;
    (void)error;
    kill(getpid(), SIGKILL);
    return 0;
}
TEST(a_killed_job_is_an_error)
{
    struct outcome o = {0};
    setup();
    start((struct wr_job_spec){.run = die}, &o);
    wait_for(&o);
    CHECK_INT(o.code, WR_E_INTERNAL);
    CHECK(strstr(o.msg, "job-test was killed"));
    /* Its lock went with it. */
    CHECK_INT(wr_job_wait(top_fd, 0, &err), 0);
    teardown();
}

/* Blocks until somebody writes to the pipe, or closes it. */
struct gate {
    int fds[2];
};

static struct gate open_gate(void)
{
    struct gate gate;
    CHECK_INT(pipe2(gate.fds, O_CLOEXEC), 0);
    return gate;
}

static int wait_at_gate(const void *arg, void *result, struct wr_error *error)
{
    const struct gate *gate = arg;
    char c = 0;
    (void)error;
    (void)!read(gate->fds[0], &c, 1);
    ((struct result *)result)->value = (uint64_t)c;
    return 0;
}

TEST(a_directory_has_one_job_at_a_time)
{
    struct outcome o = {0};
    struct wr_job *second = NULL;
    struct gate gate = open_gate();
    setup();
    const struct wr_job_spec again = {.run = answer, .lock_fd = top_fd, .name = "again"};
    start((struct wr_job_spec){.run = wait_at_gate, .arg = &gate, .fds = gate.fds, .fd_count = 1},
          &o);
    CHECK_INT(wr_job_start(loop, &again, &second, &err), -WR_E_UNAVAILABLE);
    CHECK(!second);
    CHECK_INT(wr_job_wait(top_fd, 30, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_write_all(gate.fds[1], "x", 1), 0);
    wait_for(&o);
    CHECK_INT(o.value, 'x');
    /* It is free when done() is called. */
    CHECK_INT(wr_job_wait(top_fd, 0, &err), 0);
    teardown();
}

/* A program of the job in its group; it must not survive it. */
static int hang_with_child(const void *arg, void *result, struct wr_error *error)
{
    const struct gate *gate = arg;
    (void)result;
    (void)error;
    if (fork() == 0)
        for (;;)
            pause();
    (void)!write(gate->fds[1], "x", 1);
    while (pause() < 0)
        continue;
    return 0;
}
TEST(a_late_job_ends_with_all_its_processes)
{
    struct outcome o = {0};
    struct gate gate = open_gate();
    char c = 0;
    setup();
    start(
        (struct wr_job_spec){
            .run = hang_with_child, .arg = &gate, .fds = gate.fds, .fd_count = 2, .timeout_ms = 50},
        &o);
    gate.fds[1] = wr_close(gate.fds[1]);
    wait_for(&o);
    CHECK_INT(o.code, WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(read(gate.fds[0], &c, 1), 1);
    /* End of file: nobody holds the other end any more. */
    CHECK_INT(read(gate.fds[0], &c, 1), 0);
    CHECK_INT(wr_job_wait(top_fd, STEP_MS, &err), 0);
    teardown();
}

/* What is open in the child. */
struct expected {
    int kept[2], closed[2];
};
static int look_at_fds(const void *arg, void *result, struct wr_error *error)
{
    const struct expected *e = arg;
    struct result *r = result;
    int count = 0;
    for (int fd = 3; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    /* Those two, the lock and the result. */
    r->value = (uint64_t)count;
    for (int i = 0; i < 2; i++)
        if (fcntl(e->kept[i], F_GETFD) < 0 || fcntl(e->closed[i], F_GETFD) >= 0)
            return wr_fail(error, WR_E_INTERNAL, 0, "descriptor %d", i);
    return 0;
}
TEST(only_the_listed_descriptors_are_open)
{
    struct outcome o = {0};
    struct gate a = open_gate(), b = open_gate();
    setup();
    const struct expected e = {.kept = {a.fds[1], b.fds[0]}, .closed = {a.fds[0], b.fds[1]}};
    const int keep[] = {b.fds[0], -1, a.fds[1], STDERR_FILENO, a.fds[1]};
    start(
        (struct wr_job_spec){
            .run = look_at_fds, .arg = &e, .fds = keep, .fd_count = WR_ARRAY_SIZE(keep)},
        &o);
    wait_for(&o);
    CHECK_INT(o.code, 0);
    CHECK_INT(o.value, 4);
    teardown();
}

static int look_at_signals(const void *arg, void *result, struct wr_error *error)
{
    struct sigaction action;
    sigset_t blocked;
    (void)arg;
    (void)result;
    CHECK_INT(sigaction(SIGTERM, NULL, &action), 0);
    if (action.sa_handler != SIG_DFL)
        return wr_fail(error, WR_E_INTERNAL, 0, "SIGTERM is handled");
    CHECK_INT(sigprocmask(SIG_SETMASK, NULL, &blocked), 0);
    if (sigismember(&blocked, SIGTERM))
        return wr_fail(error, WR_E_INTERNAL, 0, "SIGTERM is blocked");
    int death = -1;
    CHECK_INT(prctl(PR_GET_PDEATHSIG, &death), 0);
    return death == 0 ? 0 : wr_fail(error, WR_E_INTERNAL, 0, "it would die with its parent");
}
TEST(signals_are_those_of_a_fresh_process)
{
    struct outcome o = {0};
    sigset_t term;
    setup();
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    CHECK_INT(sigprocmask(SIG_BLOCK, &term, NULL), 0);
    signal(SIGTERM, SIG_IGN);
    start((struct wr_job_spec){.run = look_at_signals}, &o);
    wait_for(&o);
    CHECK_STR(o.msg, "");
    teardown();
}

/* What an engine that is killed leaves: a job that nobody hears, which finishes and says so in a
 * file. */
struct outlive {
    struct gate gate;
    int dirfd;
};
static int finish_later(const void *arg, void *result, struct wr_error *error)
{
    const struct outlive *o = arg;
    char c = 0;
    (void)result;
    (void)error;
    (void)!read(o->gate.fds[0], &c, 1);
    /* A log that nobody reads is no reason to die. */
    (void)!write(STDOUT_FILENO, "lost", 4);
    return wr_file_replace(o->dirfd, "finished", &c, 1, 0600, WR_VOLATILE);
}
TEST(a_job_outlives_its_engine)
{
    struct outlive o = {.gate = open_gate()};
    struct gate log = open_gate();
    int status = 0;
    setup();
    o.dirfd = top_fd;
    fflush(stdout);
    pid_t engine = fork();
    if (engine == 0) {
        const int keep[] = {o.gate.fds[0], top_fd};
        struct outcome ignored = {0};
        dup2(log.fds[1], STDOUT_FILENO);
        start((struct wr_job_spec){.run = finish_later, .arg = &o, .fds = keep, .fd_count = 2},
              &ignored);
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(engine, &status, 0) == engine && WIFSIGNALED(status));
    wr_close(log.fds[0]);
    wr_close(log.fds[1]);
    /* The next engine finds it at work, and waits. */
    CHECK_INT(wr_job_wait(top_fd, 20, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_write_all(o.gate.fds[1], "y", 1), 0);
    CHECK_INT(wr_job_wait(top_fd, STEP_MS, &err), 0);
    CHECK_INT(faccessat(top_fd, "finished", F_OK, 0), 0);
    teardown();
}

TEST(a_forgotten_job_goes_on)
{
    struct outcome o = {0};
    struct gate gate = open_gate();
    setup();
    struct wr_job *job = start(
        (struct wr_job_spec){.run = wait_at_gate, .arg = &gate, .fds = gate.fds, .fd_count = 1},
        &o);
    CHECK(wr_job_forget(job) == NULL);
    CHECK(wr_job_forget(NULL) == NULL);
    CHECK_INT(wr_job_wait(top_fd, 0, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_write_all(gate.fds[1], "x", 1), 0);
    CHECK_INT(wr_job_wait(top_fd, STEP_MS, &err), 0);
    CHECK_INT(wr_loop_step(loop, 0, &err), 0);
    CHECK_INT(o.calls, 0);
    teardown();
}
