/* Whose turn it is to be saved or restored. */
#include <string.h>

#include "server/job_turns.h"
#include "test.h"

#define A "aaaaaaaaaaaaaaaaaaaa"
#define B "bbbbbbbbbbbbbbbbbbbb"

static struct wr_loop *loop;
static struct wr_job_turns turns;
static struct wr_error err;
static char told[64]; /* a letter for each turn that was given, capital for one that was refused */

struct one {
    struct wr_job_turn turn;
    char letter;
    const char *team;
    int code;
};

static void on_turn(struct wr_job_turn *turn, const struct wr_error *error)
{
    struct one *one = wr_container_of(turn, struct one, turn);
    const char text[] = {error ? (char)(one->letter - 'a' + 'A') : one->letter, '\0'};
    CHECK(!error == turn->held && (turn->turns != NULL) == turn->held);
    one->code = error ? error->code : 0;
    strncat(told, text, sizeof told - strlen(told) - 1);
}

static void begin(size_t max)
{
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    wr_job_turns_init(&turns, loop, max);
    told[0] = '\0';
}

static void rounds(int timeout_ms)
{
    for (int i = 0; i < 4; i++)
        CHECK_INT(wr_loop_step(loop, i ? 0 : timeout_ms, &err), 0);
}

static int take(struct one *one, const char *id, uint64_t wait_ms)
{
    const struct wr_job_turn_wish wish = {
        .id = id, .team = one->team ? one->team : "", .wait_ms = wait_ms, .fn = on_turn};
    return wr_job_turn_take(&turns, &one->turn, &wish, &err);
}

static void end(void)
{
    wr_job_turns_stop(&turns);
    loop = wr_loop_free(loop);
}

TEST(turns_are_in_order_and_no_more_than_there_may_be)
{
    struct one a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'}, d = {.letter = 'd'},
               e = {.letter = 'e'};
    begin(2);
    CHECK_INT(take(&a, A, 0), 1);
    CHECK_INT(take(&b, B, 0), 1);
    CHECK_INT(take(&a, A, 0), 1); /* it has one */
    CHECK_INT(take(&c, NULL, 0), 0);
    CHECK_INT(take(&d, NULL, 0), 0);
    CHECK_INT(take(&c, NULL, 0), 0);
    CHECK_INT(wr_job_turns_waiting(&turns), 2);
    rounds(0);
    CHECK_STR(told, "");
    wr_job_turn_end(&b.turn);
    wr_job_turn_end(&b.turn);
    /* There is room, but others were first. */
    CHECK_INT(take(&e, NULL, 0), 0);
    rounds(-1);
    CHECK_STR(told, "c");
    wr_job_turn_end(&a.turn);
    wr_job_turn_end(&c.turn);
    rounds(-1);
    CHECK_STR(told, "cde");
    CHECK_INT(turns.held_count, 2);
    wr_job_turn_end(&d.turn);
    wr_job_turn_end(&e.turn);
    CHECK_INT(turns.held_count, 0);
    CHECK_INT(wr_job_turns_waiting(&turns), 0);
    end();
}

TEST(the_team_that_has_the_fewest_is_next)
{
    struct one a = {.letter = 'a', .team = "one"}, b = {.letter = 'b', .team = "one"},
               c = {.letter = 'c', .team = "one"}, d = {.letter = 'd', .team = "one"},
               e = {.letter = 'e', .team = "two"}, f = {.letter = 'f', .team = "two"};
    begin(2);
    CHECK_INT(take(&a, A, 0), 1);
    CHECK_INT(take(&b, A, 0), 1);
    CHECK_INT(take(&c, A, 0), 0);
    CHECK_INT(take(&d, A, 0), 0);
    CHECK_INT(take(&e, B, 0), 0);
    CHECK_INT(take(&f, B, 0), 0);
    wr_job_turn_end(&a.turn);
    rounds(-1);
    CHECK_STR(told, "e");
    /* One each: in order. */
    wr_job_turn_end(&e.turn);
    rounds(-1);
    CHECK_STR(told, "ef");
    wr_job_turn_end(&b.turn);
    rounds(-1);
    CHECK_STR(told, "efc");
    wr_job_turn_end(&f.turn);
    rounds(-1);
    CHECK_STR(told, "efcd");
    wr_job_turn_end(&c.turn);
    wr_job_turn_end(&d.turn);
    CHECK_INT(turns.held_count, 0);
    end();
}

TEST(who_waits_may_leave)
{
    struct one a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
    begin(1);
    CHECK_INT(take(&a, NULL, 0), 1);
    CHECK_INT(take(&b, NULL, 0), 0);
    CHECK_INT(take(&c, NULL, 0), 0);
    wr_job_turn_end(&b.turn);
    wr_job_turn_end(&a.turn);
    rounds(-1);
    CHECK_STR(told, "c");
    wr_job_turn_end(&c.turn);
    end();
}

TEST(the_end_of_a_sandbox_ends_its_waiting)
{
    struct one a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
    begin(1);
    CHECK_INT(take(&a, A, 0), 1);
    CHECK_INT(take(&b, B, 0), 0);
    CHECK_INT(take(&c, A, 0), 0);
    /* Not what is under way: the engine is asked to end that. */
    wr_job_turns_drop(&turns, A);
    CHECK_STR(told, "C");
    CHECK_INT(c.code, WR_E_ABORTED);
    CHECK_INT(turns.held_count, 1);
    wr_job_turn_end(&a.turn);
    rounds(-1);
    CHECK_STR(told, "Cb");
    wr_job_turn_end(&b.turn);
    end();
}

TEST(waiting_has_an_end)
{
    struct one a = {.letter = 'a'}, b = {.letter = 'b'}, c = {.letter = 'c'};
    begin(1);
    CHECK_INT(take(&a, NULL, 1), 1);
    CHECK_INT(take(&b, NULL, 1), 0);
    CHECK_INT(take(&c, NULL, 0), 0);
    rounds(1000);
    CHECK_STR(told, "B");
    CHECK_INT(b.code, WR_E_UNAVAILABLE);
    wr_job_turn_end(&a.turn);
    rounds(-1);
    CHECK_STR(told, "Bc");
    /* What it has it keeps. */
    CHECK(c.turn.held && !c.turn.late.loop);
    wr_job_turn_end(&c.turn);
    end();
}

TEST(at_the_end_nobody_waits)
{
    struct one a = {.letter = 'a'}, b = {.letter = 'b'};
    begin(1);
    CHECK_INT(take(&a, NULL, 0), 1);
    CHECK_INT(take(&b, NULL, 0), 0);
    wr_job_turns_stop(&turns);
    CHECK_STR(told, "B");
    CHECK_INT(take(&b, NULL, 0), -WR_E_UNAVAILABLE);
    wr_job_turn_end(&a.turn);
    end();
    wr_job_turns_stop(&(struct wr_job_turns){.max = 0});
}

TEST(their_number_follows_the_processors)
{
    begin(0);
    CHECK(turns.max >= 2 && turns.max <= 16);
    end();
}
