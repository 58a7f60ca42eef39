#include <fcntl.h>

#include "interpreter/pipe_reader.h"
#include "test.h"

static char got[65536];
static size_t got_len, calls;

static void on_text(struct wr_pipe_reader *reader, const char *data, size_t len, void *owner)
{
    (void)reader;
    (void)owner;
    CHECK(got_len + len < sizeof(got));
    memcpy(got + got_len, data, len);
    got_len += len;
    got[got_len] = '\0';
    calls++;
}

static void on_ready(struct wr_pipe_reader *reader, void *owner)
{
    (void)owner;
    (void)wr_pipe_reader_read(reader);
}

static int open_reader(struct wr_loop **loop, struct wr_pipe_reader *reader)
{
    struct wr_error err;
    int fds[2];

    CHECK_INT(wr_loop_new(loop, &err), 0);
    CHECK_INT(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
    *reader = (struct wr_pipe_reader){.fd = -1, .on_text = on_text, .on_ready = on_ready};
    CHECK_INT(wr_pipe_reader_open(reader, *loop, fds[0], &err), 0);
    return fds[1];
}

static void put(int fd, const char *bytes)
{
    CHECK_INT(write(fd, bytes, strlen(bytes)), strlen(bytes));
}

TEST(characters_are_put_together)
{
    struct wr_loop *loop = NULL;
    struct wr_pipe_reader reader;
    int fd = open_reader(&loop, &reader);

    put(fd, "a\xf0\x9f");
    CHECK(wr_pipe_reader_read(&reader));
    CHECK_STR(got, "a");
    put(fd, "\x98");
    CHECK(wr_pipe_reader_read(&reader));
    CHECK_STR(got, "a");
    put(fd, "\x80z\xc3");
    CHECK(wr_pipe_reader_read(&reader));
    CHECK_STR(got, "a\xf0\x9f\x98\x80z");
    CHECK(!wr_pipe_reader_read(&reader));
    wr_pipe_reader_flush(&reader);
    CHECK_STR(got, "a\xf0\x9f\x98\x80z\xc3");
    wr_pipe_reader_close(&reader);
    close(fd);
    loop = wr_loop_free(loop);
}

TEST(bytes_that_are_no_text_are_not_kept)
{
    struct wr_loop *loop = NULL;
    struct wr_pipe_reader reader;
    int fd = open_reader(&loop, &reader);

    put(fd, "\xff\x80\x80\x80\x80\xfe");
    CHECK(wr_pipe_reader_read(&reader));
    CHECK_INT(got_len, 6);
    close(fd);
    CHECK(!wr_pipe_reader_read(&reader));
    CHECK_INT(reader.fd, -1);
    loop = wr_loop_free(loop);
}

TEST(the_mark_is_what_is_there)
{
    struct wr_loop *loop = NULL;
    struct wr_pipe_reader reader;
    int fd = open_reader(&loop, &reader);

    wr_pipe_reader_mark(&reader);
    CHECK_INT(reader.left, 0);
    put(fd, "12345");
    wr_pipe_reader_mark(&reader);
    CHECK_INT(reader.left, 5);
    CHECK(wr_pipe_reader_read(&reader));
    CHECK_INT(reader.left, 0);
    wr_pipe_reader_close(&reader);
    close(fd);
    loop = wr_loop_free(loop);
}

TEST(a_paused_pipe_is_left_alone)
{
    struct wr_loop *loop = NULL;
    struct wr_pipe_reader reader;
    struct wr_error err;
    int fd = open_reader(&loop, &reader);

    CHECK_INT(wr_pipe_reader_pause(&reader, true, &err), 0);
    put(fd, "text");
    for (int i = 0; i < 5; i++)
        CHECK_INT(wr_loop_step(loop, 1, &err), 0);
    CHECK_INT(calls, 0);
    CHECK_INT(wr_pipe_reader_pause(&reader, false, &err), 0);
    for (int i = 0; i < 100 && calls == 0; i++)
        CHECK_INT(wr_loop_step(loop, 10, &err), 0);
    CHECK_STR(got, "text");
    wr_pipe_reader_close(&reader);
    close(fd);
    loop = wr_loop_free(loop);
}
