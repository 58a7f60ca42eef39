#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "cli/turns.h"
#include "test.h"

struct output {
    int out[2], err[2];
    struct wr_turns *turns;
    int broken;
};

static void on_broken(void *data)
{
    struct output *output = data;

    output->broken++;
}

static void open_output(struct output *output, size_t count, size_t keep, struct wr_cancel *cancel)
{
    struct wr_error err = {0};

    *output = (struct output){0};
    CHECK_INT(pipe2(output->out, O_CLOEXEC), 0);
    CHECK_INT(pipe2(output->err, O_CLOEXEC), 0);
    const struct wr_turns_opts opts = {.count = count,
                                       .keep = keep,
                                       .out_fd = output->out[1],
                                       .err_fd = output->err[1],
                                       .cancel = cancel,
                                       .on_broken = on_broken,
                                       .data = output};
    CHECK_INT(wr_turns_new(&opts, &output->turns, &err), 0);
}

static void close_output(struct output *output)
{
    output->turns = wr_turns_free(output->turns);
    for (int i = 0; i < 2; i++) {
        (void)wr_close(output->out[i]);
        (void)wr_close(output->err[i]);
    }
}

/* What has arrived so far. */
static void arrived(int fd, const char *expected)
{
    char text[256] = "";

    CHECK_INT(wr_fd_set_nonblock(fd, true), 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    CHECK_STR(text, expected);
}

static int put(struct output *output, size_t number, const char *text)
{
    return wr_turns_write(output->turns, number, false, text, strlen(text));
}

TEST(who_has_its_turn_is_seen_at_once)
{
    struct output output;
    open_output(&output, 3, 0, NULL);
    CHECK_INT(wr_turns_first_output_us(output.turns), 0);
    put(&output, 1, "b1");
    put(&output, 2, "c");
    arrived(output.out[0], "");
    CHECK_INT(wr_turns_first_output_us(output.turns), 0);
    put(&output, 0, "a");
    arrived(output.out[0], "a");
    CHECK(wr_turns_first_output_us(output.turns) > 0);
    put(&output, 1, "b2");
    wr_turns_end(output.turns, 0);
    arrived(output.out[0], "b1b2");
    put(&output, 1, "b3");
    arrived(output.out[0], "b3");
    close_output(&output);
}

TEST(the_end_of_a_later_one_waits)
{
    struct output output;
    open_output(&output, 3, 0, NULL);
    put(&output, 1, "b");
    wr_turns_end(output.turns, 1);
    put(&output, 2, "c");
    wr_turns_end(output.turns, 2);
    arrived(output.out[0], "");
    wr_turns_end(output.turns, 0);
    arrived(output.out[0], "bc");
    close_output(&output);
}

TEST(streams_are_kept_apart)
{
    struct output output;
    open_output(&output, 2, 0, NULL);
    put(&output, 1, "o");
    wr_turns_write(output.turns, 1, true, "e", 1);
    wr_turns_end_line(output.turns, 1);
    wr_turns_end_line(output.turns, 1);
    wr_turns_end(output.turns, 0);
    arrived(output.out[0], "o\n");
    arrived(output.err[0], "e\n");
    close_output(&output);
}

struct waiting {
    struct output *output;
    atomic_bool returned;
};

static void *write_much(void *data)
{
    struct waiting *waiting = data;

    for (int i = 0; i < 8; i++)
        put(waiting->output, 1, "0123456789");
    atomic_store(&waiting->returned, true);
    return NULL;
}

TEST(who_has_kept_enough_waits_for_its_turn)
{
    struct output output;
    struct waiting waiting = {.output = &output};
    pthread_t thread;

    open_output(&output, 2, 64, NULL);
    CHECK_INT(pthread_create(&thread, NULL, write_much, &waiting), 0);
    put(&output, 0, "a");
    CHECK(!atomic_load(&waiting.returned));
    wr_turns_end(output.turns, 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    arrived(output.out[0],
            "a01234567890123456789012345678901234567890123456789012345678901234567890"
            "123456789");
    close_output(&output);
}

TEST(a_reader_that_is_gone)
{
    struct output output;
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as the program does */
    open_output(&output, 2, 0, NULL);
    output.out[0] = wr_close(output.out[0]);
    CHECK_INT(put(&output, 0, "a"), -1);
    CHECK_INT(put(&output, 0, "a"), -1);
    CHECK_INT(put(&output, 1, "b"), -1);
    CHECK_INT(output.broken, 1);
    struct wr_error err = {0};
    CHECK_INT(wr_turns_check(output.turns, &err), 0);
    close_output(&output);
}

TEST(a_full_disk_is_an_error)
{
    struct wr_error err = {0};
    struct wr_turns *turns = NULL;
    wr_auto_close int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    CHECK(full >= 0);
    const struct wr_turns_opts opts = {.count = 1, .out_fd = full, .err_fd = full};
    CHECK_INT(wr_turns_new(&opts, &turns, &err), 0);
    CHECK_INT(wr_turns_check(turns, &err), 0);
    CHECK_INT(wr_turns_write(turns, 0, false, "a", 1), -1);
    CHECK_INT(wr_turns_check(turns, &err), -WR_E_UNKNOWN);
    CHECK_INT(err.os_errno, ENOSPC);
    wr_turns_free(turns);
}

TEST(a_token_ends_waiting_for_a_slow_reader)
{
    struct wr_error err = {0};
    struct wr_cancel *cancel = wr_cancel_new(NULL, &err);
    struct output output;
    const size_t len = (size_t)1 << 20;
    char *text = wr_calloc(len, 1);

    CHECK(cancel && text);
    open_output(&output, 1, 0, cancel);
    wr_cancel_fire(cancel);
    CHECK_INT(wr_turns_write(output.turns, 0, false, text, len), -1);
    CHECK_INT(output.broken, 0);
    close_output(&output);
    wr_cancel_free(cancel);
    free(text);
}
