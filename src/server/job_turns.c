#include "server/job_turns.h"

#include <unistd.h>

#define LEAST 2 /* a long one is not to keep all others waiting */
#define MOST  16

void wr_job_turns_init(struct wr_job_turns *turns, struct wr_loop *loop, size_t max)
{
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);

    *turns = (struct wr_job_turns){.loop = loop, .max = max};
    if (max == 0)
        turns->max = (size_t)WR_MIN(WR_MAX(processors, LEAST), MOST);
    wr_list_init(&turns->held);
    wr_list_init(&turns->waiting);
}

static void hold(struct wr_job_turns *turns, struct wr_job_turn *turn)
{
    wr_timer_stop(&turn->late);
    wr_list_append(&turns->held, &turn->link);
    turns->held_count++;
    turn->held = true;
}

static void leave(struct wr_job_turn *turn)
{
    wr_timer_stop(&turn->late);
    wr_list_remove(&turn->link);
    if (turn->held)
        turn->turns->held_count--;
    turn->held = false;
    turn->turns = NULL;
}

static void fail_all(struct wr_list *waiting, const struct wr_error *error)
{
    while (!wr_list_empty(waiting)) {
        struct wr_job_turn *turn = wr_list_entry(waiting->next, struct wr_job_turn, link);
        leave(turn);
        turn->fn(turn, error);
    }
}

void wr_job_turns_stop(struct wr_job_turns *turns)
{
    struct wr_error error = {0};

    if (!turns->loop)
        return;
    wr_timer_stop(&turns->timer);
    turns->stopped = true;
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    fail_all(&turns->waiting, &error);
}

static size_t held_by(const struct wr_job_turns *turns, const char *team)
{
    size_t count = 0;

    wr_list_foreach(it, &turns->held)
        count += wr_streq(wr_list_entry(it, struct wr_job_turn, link)->team, team);
    return count;
}

static struct wr_job_turn *next(const struct wr_job_turns *turns)
{
    struct wr_job_turn *best = NULL;
    size_t fewest = SIZE_MAX;

    wr_list_foreach(it, &turns->waiting) {
        struct wr_job_turn *turn = wr_list_entry(it, struct wr_job_turn, link);
        const size_t count = held_by(turns, turn->team);
        if (count < fewest) {
            best = turn;
            fewest = count;
        }
        if (count == 0)
            break;
    }
    return best;
}

/* They may end it at once, or take another one. */
static void grant(struct wr_job_turns *turns)
{
    struct wr_job_turn *turn = NULL;

    while (turns->held_count < turns->max && (turn = next(turns))) {
        wr_list_remove(&turn->link);
        hold(turns, turn);
        turn->fn(turn, NULL);
    }
}

static void on_ended(struct wr_timer *timer, void *data)
{
    (void)timer;
    grant(data);
}

void wr_job_turn_end(struct wr_job_turn *turn)
{
    struct wr_job_turns *turns = turn->turns;
    struct wr_error error = {0};

    if (!turns)
        return;
    leave(turn);
    /* From the loop: whoever ends one is in the middle of something. */
    if (!wr_list_empty(&turns->waiting) && turns->held_count < turns->max &&
        wr_timer_start(turns->loop, &turns->timer, 0, on_ended, turns, &error) < 0)
        grant(turns);
}

static void on_late(struct wr_timer *timer, void *data)
{
    struct wr_job_turn *turn = wr_container_of(timer, struct wr_job_turn, late);
    struct wr_error error = {0};

    (void)data;
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0,
                  "%zu sandboxes are being saved or restored and others wait for that; try again "
                  "later",
                  turn->turns->held_count);
    leave(turn);
    turn->fn(turn, &error);
}

int wr_job_turn_take(struct wr_job_turns *turns, struct wr_job_turn *turn,
                     const struct wr_job_turn_wish *wish, struct wr_error *err)
{
    if (turn->turns)
        return turn->held;
    if (turns->stopped)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the server is ending; try again");
    if (wish->wait_ms) {
        int r = wr_timer_start(turns->loop, &turn->late, wish->wait_ms, on_late, turn, err);
        if (r < 0)
            return r;
    }
    turn->turns = turns;
    turn->fn = wish->fn;
    if (!wr_strcopy(turn->id, sizeof turn->id, wish->id ? wish->id : ""))
        turn->id[0] = '\0';
    if (!wr_strcopy(turn->team, sizeof turn->team, wish->team))
        turn->team[0] = '\0';
    if (wr_list_empty(&turns->waiting) && turns->held_count < turns->max)
        hold(turns, turn);
    else
        wr_list_append(&turns->waiting, &turn->link);
    return turn->held;
}

void wr_job_turns_drop(struct wr_job_turns *turns, const char *id)
{
    struct wr_error error = {0};
    struct wr_list about;

    (void)wr_fail(&error, WR_E_ABORTED, 0, "sandbox %s is being killed", id);
    wr_list_init(&about);
    wr_list_foreach(it, &turns->waiting) {
        struct wr_job_turn *turn = wr_list_entry(it, struct wr_job_turn, link);
        if (!wr_streq(turn->id, id))
            continue;
        wr_list_remove(&turn->link);
        wr_list_append(&about, &turn->link);
    }
    fail_all(&about, &error);
}

size_t wr_job_turns_waiting(const struct wr_job_turns *turns)
{
    size_t count = 0;

    wr_list_foreach(it, &turns->waiting)
        count++;
    return count;
}
