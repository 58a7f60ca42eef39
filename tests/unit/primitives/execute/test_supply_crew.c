#include <signal.h>

#include "primitives/execute/supply_crew.h"
#include "supply_fixture.h"

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned running, peak, ended;
    bool open;
};

struct gated {
    struct wr_job job;
    struct gate *gate;
};

static void run_gated(struct wr_job *job)
{
    struct gate *gate = wr_container_of(job, struct gated, job)->gate;

    (void)pthread_mutex_lock(&gate->lock);
    gate->running++;
    gate->peak = gate->running > gate->peak ? gate->running : gate->peak;
    (void)pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        (void)pthread_cond_wait(&gate->changed, &gate->lock);
    gate->running--;
    gate->ended++;
    (void)pthread_mutex_unlock(&gate->lock);
}

TEST(as_many_jobs_run_at_a_time_as_there_may_be_threads)
{
    enum { JOBS = 10, THREADS = 3 };
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct gated jobs[JOBS];
    struct wr_error err = {0};
    unsigned threads = count_entries("/proc/self/task");
    struct wr_crew *crew = wr_crew_new("crew", THREADS, &err);

    CHECK(crew);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct gated){.job.run = run_gated, .gate = &gate};
        wr_crew_submit(crew, &jobs[i].job);
    }
    (void)pthread_mutex_lock(&gate.lock);
    while (gate.running < THREADS)
        (void)pthread_cond_wait(&gate.changed, &gate.lock);
    CHECK(count_entries("/proc/self/task") >= threads + THREADS);
    gate.open = true;
    (void)pthread_cond_broadcast(&gate.changed);
    (void)pthread_mutex_unlock(&gate.lock);
    wr_crew_free(crew); /* waits for all of them */
    CHECK_INT(gate.ended, JOBS);
    CHECK_INT(gate.peak, THREADS);
}

struct chained {
    struct wr_job job;
    struct wr_crew *crew;
    unsigned left;
    unsigned *runs;
};

static void run_chained(struct wr_job *job)
{
    struct chained *chained = wr_container_of(job, struct chained, job);

    ++*chained->runs;
    if (--chained->left > 0)
        wr_crew_submit(chained->crew, job);
}

TEST(the_end_waits_for_jobs_that_jobs_submit)
{
    struct wr_error err = {0};
    struct wr_crew *crew = wr_crew_new("crew", 2, &err);
    unsigned runs = 0;
    struct chained chained = {.job.run = run_chained, .crew = crew, .left = 50, .runs = &runs};

    wr_crew_submit(crew, &chained.job);
    wr_crew_free(crew);
    CHECK_INT(runs, 50);
    CHECK(!wr_crew_free(NULL));
}

static void *blocked_signals(void *arg)
{
    (void)pthread_sigmask(SIG_SETMASK, NULL, arg);
    return NULL;
}

TEST(threads_take_no_signals)
{
    sigset_t inside, before, after;
    pthread_t thread;

    (void)pthread_sigmask(SIG_SETMASK, NULL, &before);
    CHECK_INT(wr_crew_thread(blocked_signals, &inside, "signals", &thread), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(sigismember(&inside, SIGTERM) && sigismember(&inside, SIGCHLD));
    (void)pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK_INT(sigismember(&after, SIGTERM), sigismember(&before, SIGTERM));
}
