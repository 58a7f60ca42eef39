#include "interpreter/renewal.h"

#include "base/alloc.h"
#include "interpreter/context.h"
#include "interpreter/limits.h"

struct renewal {
    struct wr_list link;
    struct wr_timer timer;
    void (*done)(void *data);
    void *data;
};

static void finish(struct renewal *renewal)
{
    void (*done)(void *data) = renewal->done;
    void *data = renewal->data;

    wr_timer_stop(&renewal->timer);
    wr_list_remove(&renewal->link);
    free(renewal);
    done(data);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    finish(data);
}

static bool waits(const struct wr_interpreter *interpreter)
{
    wr_list_foreach(it, &interpreter->contexts) {
        if (wr_list_entry(it, struct wr_context, link)->renewing)
            return true;
    }
    return false;
}

void wr_renewals_look(struct wr_interpreter *interpreter)
{
    if (waits(interpreter))
        return;
    wr_list_foreach(it, &interpreter->renewals)
        finish(wr_list_entry(it, struct renewal, link));
}

void wr_renewal_begin(struct wr_interpreter *interpreter, const json_t *env,
                      void (*done)(void *data), void *data)
{
    struct renewal *renewal = wr_calloc(1, sizeof(*renewal));
    struct wr_error err;

    wr_list_foreach(it, &interpreter->contexts)
        wr_context_renew(wr_list_entry(it, struct wr_context, link), env);
    if (!renewal) {
        done(data);
        return;
    }
    renewal->done = done;
    renewal->data = data;
    wr_list_append(&interpreter->renewals, &renewal->link);
    if (wr_timer_start(interpreter->loop, &renewal->timer, WR_RENEWAL_MS, on_timer, renewal, &err) <
        0)
        finish(renewal); /* the runners are told, and nobody can wait for them */
    else
        wr_renewals_look(interpreter);
}
