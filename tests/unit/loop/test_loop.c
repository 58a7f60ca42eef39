#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "loop/loop.h"
#include "test.h"

static struct wr_loop *loop;
static struct wr_error err;

static void setup(void)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
}

static void step(int timeout_ms)
{
    CHECK_INT(wr_loop_step(loop, timeout_ms, &err), 0);
}

struct pipe_source {
    struct wr_source source;
    int in, out;
    int calls;
    uint32_t last_events;
    struct pipe_source *victim; /* removed and closed by the callback */
};

static void close_pipe(struct pipe_source *p)
{
    wr_source_remove(&p->source);
    (void)close(p->in);
    (void)close(p->out);
}

static void on_event(struct wr_source *source, uint32_t events, void *data)
{
    struct pipe_source *p = data;
    CHECK(source == &p->source);
    p->calls++;
    p->last_events = events;
    if (p->victim)
        close_pipe(p->victim);
}

static void add_pipe(struct pipe_source *p, uint32_t events)
{
    int fds[2];
    CHECK_INT(pipe2(fds, O_CLOEXEC), 0);
    *p = (struct pipe_source){.in = fds[0], .out = fds[1]};
    CHECK_INT(wr_source_add(loop, &p->source, p->in, events, on_event, p, &err), 0);
}

static void ready(struct pipe_source *p)
{
    CHECK_INT(write(p->out, "x", 1), 1);
}

TEST(events_masks_and_hang_up)
{
    setup();
    struct pipe_source p;
    add_pipe(&p, EPOLLIN);
    step(0);
    CHECK_INT(p.calls, 0);
    ready(&p);
    step(-1);
    CHECK_INT(p.calls, 1);
    CHECK_INT(p.last_events, EPOLLIN);
    wr_source_set_events(&p.source, 0);
    step(0);
    CHECK_INT(p.calls, 1);
    wr_source_set_events(&p.source, EPOLLIN);
    step(0);
    CHECK_INT(p.calls, 2);
    wr_source_set_events(&p.source, 0);
    (void)close(p.out);
    step(0);
    CHECK_INT(p.calls, 3);
    CHECK_INT(p.last_events, EPOLLHUP);
    wr_source_remove(&p.source);
    wr_source_remove(&p.source);
    step(0);
    CHECK_INT(p.calls, 3);
    (void)close(p.in);
    loop = wr_loop_free(loop);
}

TEST(refused_descriptors_leave_the_source_unadded)
{
    setup();
    struct wr_source s = {0};
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    CHECK(file >= 0);
    CHECK_INT(wr_source_add(loop, &s, file, EPOLLIN, on_event, NULL, &err),
              -WR_E_PERMISSION_DENIED);
    CHECK(!s.loop);
    CHECK_INT(wr_source_add(loop, &s, -1, EPOLLIN, on_event, NULL, &err), -WR_E_INTERNAL);
    wr_source_remove(&s);
    (void)close(file);
    loop = wr_loop_free(loop);
}

/* Two sources are ready in the same round; whichever comes first frees the other, which must not be
 * called. */
TEST(removal_in_a_callback_drops_pending_events)
{
    setup();
    struct pipe_source *a = calloc(1, sizeof(*a)), *b = calloc(1, sizeof(*b));
    CHECK(a && b);
    add_pipe(a, EPOLLIN);
    add_pipe(b, EPOLLIN);
    a->victim = b;
    b->victim = a;
    ready(a);
    ready(b);
    step(-1);
    CHECK_INT(a->calls + b->calls, 1);
    struct pipe_source *left = a->calls ? a : b;
    CHECK(!left->victim->source.loop);
    free(left->victim);
    left->victim = NULL;
    close_pipe(left);
    free(left);
    loop = wr_loop_free(loop);
}

static struct pipe_source reused;

static void replace_reused(struct wr_source *source, uint32_t events WR_UNUSED, void *data)
{
    struct pipe_source *other = data;
    wr_source_remove(source);
    close_pipe(other);
    add_pipe(&reused, EPOLLIN);
}

/* A new source takes the slot and the descriptor number of one that had an event pending. */
TEST(a_reused_slot_gets_no_old_event)
{
    setup();
    struct pipe_source a, b;
    add_pipe(&a, EPOLLIN);
    add_pipe(&b, EPOLLIN);
    a.source.fn = b.source.fn = replace_reused;
    a.source.data = &b;
    b.source.data = &a;
    ready(&a);
    ready(&b);
    step(-1);
    CHECK_INT(reused.calls, 0);
    step(0);
    CHECK_INT(reused.calls, 0);
    ready(&reused);
    step(-1);
    CHECK_INT(reused.calls, 1);
    close_pipe(&reused);
    loop = wr_loop_free(loop);
}

static void remove_and_free_self(struct wr_source *source, uint32_t events WR_UNUSED, void *data)
{
    wr_source_remove(source);
    free(data);
}

TEST(a_source_may_free_itself)
{
    setup();
    struct pipe_source *p = calloc(1, sizeof(*p));
    CHECK(p);
    add_pipe(p, EPOLLIN);
    int in = p->in, out = p->out;
    p->source.fn = remove_and_free_self;
    ready(p);
    step(-1);
    step(0);
    (void)close(in);
    (void)close(out);
    loop = wr_loop_free(loop);
}

static void narrow_other(struct wr_source *source WR_UNUSED, uint32_t events WR_UNUSED, void *data)
{
    struct pipe_source *p = data;
    p->calls++;
    wr_source_set_events(&p->victim->source, 0);
}

TEST(a_narrowed_mask_holds_in_the_same_round)
{
    setup();
    struct pipe_source a, b;
    add_pipe(&a, EPOLLIN);
    add_pipe(&b, EPOLLIN);
    a.source.fn = b.source.fn = narrow_other;
    a.victim = &b;
    b.victim = &a;
    ready(&a);
    ready(&b);
    step(-1);
    CHECK_INT(a.calls + b.calls, 1);
    close_pipe(&a);
    close_pipe(&b);
    loop = wr_loop_free(loop);
}

TEST(many_sources)
{
    enum { COUNT = 300 };
    static struct pipe_source pipes[COUNT];
    setup();
    for (int i = 0; i < COUNT; i++)
        add_pipe(&pipes[i], EPOLLIN);
    for (int i = 0; i < COUNT; i++)
        ready(&pipes[i]);
    for (int i = 0; i < COUNT;
         i++) /* more rounds than needed: each takes a limited number of events */
        step(0);
    for (int i = 0; i < COUNT; i++) {
        CHECK(pipes[i].calls > 0);
        close_pipe(&pipes[i]);
    }
    loop = wr_loop_free(loop);
}

struct idle_work {
    struct wr_idle idle;
    int calls;
    bool again;
};

static void on_idle(struct wr_idle *idle, void *data)
{
    struct idle_work *work = data;
    CHECK(idle == &work->idle);
    CHECK(!wr_list_linked(&idle->link));
    work->calls++;
    if (work->again)
        wr_idle_queue(loop, idle);
}

TEST(idle_runs_once_per_queueing_and_does_not_wait)
{
    setup();
    struct idle_work a = {.idle = {.fn = on_idle, .data = &a}};
    struct idle_work b = {.idle = {.fn = on_idle, .data = &b}};
    wr_idle_queue(loop, &a.idle);
    wr_idle_queue(loop, &a.idle);
    wr_idle_queue(loop, &b.idle);
    wr_idle_cancel(&b.idle);
    wr_idle_cancel(&b.idle);
    step(-1); /* would hang without idle work */
    CHECK_INT(a.calls, 1);
    CHECK_INT(b.calls, 0);
    step(0);
    CHECK_INT(a.calls, 1);
    a.again = true;
    wr_idle_queue(loop, &a.idle);
    step(-1);
    CHECK_INT(a.calls, 2);
    step(-1);
    CHECK_INT(a.calls, 3);
    loop = wr_loop_free(loop);
    CHECK(!wr_list_linked(&a.idle.link));
}

static void cancel_other(struct wr_idle *idle WR_UNUSED, void *data)
{
    wr_idle_cancel(data);
}

TEST(idle_may_be_cancelled_by_idle_work)
{
    setup();
    struct idle_work b = {.idle = {.fn = on_idle, .data = &b}};
    struct wr_idle a = {.fn = cancel_other, .data = &b.idle};
    wr_idle_queue(loop, &a);
    wr_idle_queue(loop, &b.idle);
    step(-1);
    step(0);
    CHECK_INT(b.calls, 0);
    loop = wr_loop_free(loop);
}

TEST(events_come_before_idle_work_but_do_not_starve_it)
{
    setup();
    struct pipe_source p;
    struct idle_work work = {.idle = {.fn = on_idle, .data = &work}};
    add_pipe(&p, EPOLLIN);
    ready(&p); /* never read: an event in every round */
    wr_idle_queue(loop, &work.idle);
    step(-1);
    CHECK_INT(p.calls, 1);
    CHECK_INT(work.calls, 0);
    for (int i = 0; i < 100 && work.calls == 0; i++)
        step(-1);
    CHECK(work.calls == 1 && p.calls >= 8);
    wr_idle_queue(loop, &work.idle);
    step(-1);
    CHECK_INT(work.calls, 1);
    wr_source_set_events(&p.source, 0);
    step(-1);
    CHECK_INT(work.calls, 2);
    close_pipe(&p);
    loop = wr_loop_free(loop);
}

static void on_stop(struct wr_idle *idle WR_UNUSED, void *data WR_UNUSED)
{
    wr_loop_stop(loop, 7);
}

TEST(run_returns_the_result_of_stop)
{
    setup();
    struct wr_idle idle = {.fn = on_stop};
    wr_idle_queue(loop, &idle);
    CHECK_INT(wr_loop_run(loop, &err), 7);
    wr_idle_queue(loop, &idle);
    CHECK_INT(wr_loop_run(loop, &err), 7);
    wr_loop_stop(loop, 3);
    CHECK_INT(wr_loop_run(loop, &err), 3);
    loop = wr_loop_free(loop);
    CHECK(!wr_loop_free(NULL));
}

/* The set behind an epoll descriptor is shared with a forked child, whose cleanup must not touch
 * it. */
TEST(a_forked_child_may_free_its_copy)
{
    setup();
    struct pipe_source p;
    add_pipe(&p, EPOLLIN);
    pid_t pid = fork();
    if (pid == 0) {
        loop = wr_loop_free(loop);
        wr_source_remove(&p.source);
        _exit(p.source.loop ? 1 : 0);
    }
    int status = -1;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK_INT(status, 0);
    ready(&p);
    step(1000);
    CHECK_INT(p.calls, 1);
    close_pipe(&p);
    loop = wr_loop_free(loop);
}
