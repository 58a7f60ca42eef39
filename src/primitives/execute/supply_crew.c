#include "primitives/execute/supply_crew.h"

#include <signal.h>
#include <stdbool.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_THREADS 64

struct wr_crew {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a job has come, or the end */
    struct wr_list jobs;
    unsigned waiting; /* jobs in the list */
    unsigned idle, count, max;
    bool ending;
    char name[16];
    pthread_t threads[MAX_THREADS];
};

int wr_crew_thread(void *(*run)(void *arg), void *arg, const char *name, pthread_t *ret)
{
    sigset_t all, before;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(ret, NULL, run, arg);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0)
        (void)pthread_setname_np(*ret, name);
    return r;
}

static void *work(void *arg)
{
    struct wr_crew *crew = arg;

    (void)pthread_mutex_lock(&crew->lock);
    for (;;) {
        while (wr_list_empty(&crew->jobs) && !crew->ending) {
            crew->idle++;
            (void)pthread_cond_wait(&crew->changed, &crew->lock);
            crew->idle--;
        }
        if (wr_list_empty(&crew->jobs))
            break;
        struct wr_job *job = wr_list_entry(crew->jobs.next, struct wr_job, link);
        wr_list_remove(&job->link);
        crew->waiting--;
        (void)pthread_mutex_unlock(&crew->lock);
        job->run(job);
        (void)pthread_mutex_lock(&crew->lock);
    }
    (void)pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static int add_thread(struct wr_crew *crew)
{
    int r = wr_crew_thread(work, crew, crew->name, &crew->threads[crew->count]);

    crew->count += r == 0;
    return r;
}

struct wr_crew *wr_crew_new(const char *name, unsigned max_threads, struct wr_error *err)
{
    struct wr_crew *crew = wr_calloc(1, sizeof *crew);

    if (!crew) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "crew: out of memory");
        return NULL;
    }
    (void)pthread_mutex_init(&crew->lock, NULL);
    (void)pthread_cond_init(&crew->changed, NULL);
    wr_list_init(&crew->jobs);
    crew->max = WR_MIN(max_threads, (unsigned)MAX_THREADS);
    (void)!wr_strcopy(crew->name, sizeof crew->name, name); /* a name that is too long: none */
    (void)pthread_mutex_lock(&crew->lock);
    int r = add_thread(crew);
    (void)pthread_mutex_unlock(&crew->lock);
    if (r != 0) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, r, "start a thread");
        return wr_crew_free(crew);
    }
    return crew;
}

struct wr_crew *wr_crew_free(struct wr_crew *crew)
{
    if (!crew)
        return NULL;
    (void)pthread_mutex_lock(&crew->lock);
    crew->ending = true;
    (void)pthread_cond_broadcast(&crew->changed);
    (void)pthread_mutex_unlock(&crew->lock);
    /* A job may submit others, and those start threads, until the last thread finds nothing. */
    for (unsigned i = 0;; i++) {
        (void)pthread_mutex_lock(&crew->lock);
        unsigned count = crew->count;
        (void)pthread_mutex_unlock(&crew->lock);
        if (i >= count)
            break;
        (void)pthread_join(crew->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&crew->changed);
    (void)pthread_mutex_destroy(&crew->lock);
    free(crew);
    return NULL;
}

void wr_crew_submit(struct wr_crew *crew, struct wr_job *job)
{
    (void)pthread_mutex_lock(&crew->lock);
    wr_list_append(&crew->jobs, &job->link);
    crew->waiting++;
    /* Without a new thread, those that are there do it later. */
    if (crew->waiting > crew->idle && crew->count < crew->max)
        (void)!add_thread(crew);
    (void)pthread_cond_signal(&crew->changed);
    (void)pthread_mutex_unlock(&crew->lock);
}
