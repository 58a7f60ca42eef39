#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "sys/message.h"
#include "test.h"

static int count_open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

TEST(bytes_keep_their_borders)
{
    int s[2];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(fcntl(s[0], F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(s[1], F_GETFD), FD_CLOEXEC);
    CHECK_INT(wr_message_send(s[0], "one", 3, NULL, 0), 0);
    CHECK_INT(wr_message_send(s[0], "second", 6, NULL, 0), 0);
    char data[16] = {0};
    int fds[WR_MESSAGE_MAX_FDS];
    size_t count = 99;
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 3);
    CHECK_INT(count, 0);
    CHECK_INT(wr_message_recv(s[1], data, 6, fds, &count), 6);
    CHECK_STR(data, "second");
    (void)close(s[0]);
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 0);
    CHECK_INT(wr_message_send(s[1], "x", 1, NULL, 0), -EPIPE);
}

TEST(empty_messages_are_refused)
{
    int s[2];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(wr_message_send(s[0], "", 0, NULL, 0), -EINVAL);
}

TEST(descriptors_arrive_close_on_exec)
{
    int s[2], p[2];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(pipe2(p, O_CLOEXEC), 0);
    CHECK_INT(wr_fd_set_cloexec(p[1], false), 0);
    int sent[2] = {p[0], p[1]};
    CHECK_INT(wr_message_send(s[0], "f", 1, sent, 2), 0);
    char data[4];
    int fds[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 1);
    CHECK_INT(count, 2);
    CHECK_INT(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(fds[1], F_GETFD), FD_CLOEXEC);
    CHECK_INT(wr_write_all(fds[1], "z", 1), 0);
    CHECK_INT(wr_read_full(p[0], data, 1), 1);
    CHECK_INT(data[0], 'z');
}

TEST(both_sides_of_the_descriptor_limit)
{
    int s[2], sent[WR_MESSAGE_MAX_FDS + 1], fds[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    char data[4];
    CHECK_INT(wr_message_pair(s), 0);
    for (size_t i = 0; i < WR_MESSAGE_MAX_FDS + 1; i++)
        sent[i] = s[0];
    CHECK_INT(wr_message_send(s[0], "f", 1, sent, WR_MESSAGE_MAX_FDS + 1), -EINVAL);
    CHECK_INT(wr_message_send(s[0], "f", 1, sent, WR_MESSAGE_MAX_FDS), 0);
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 1);
    CHECK_INT(count, WR_MESSAGE_MAX_FDS);
}

/* A peer that does not use wr_message_send may send more: everything is dropped, nothing leaks. */
TEST(too_many_descriptors_are_dropped_whole)
{
    enum { COUNT = WR_MESSAGE_MAX_FDS + 1 };
    int s[2];
    CHECK_INT(wr_message_pair(s), 0);
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(COUNT * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (char[]){'x'}, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control.space)};
    control.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS,
                                      .cmsg_len = CMSG_LEN(COUNT * sizeof(int))};
    for (size_t i = 0; i < COUNT; i++)
        memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &s[0], sizeof(int));
    CHECK_INT(sendmsg(s[0], &msg, 0), 1);
    int before = count_open_fds();
    int fds[WR_MESSAGE_MAX_FDS] = {-7};
    size_t count = 99;
    char data[4];
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), -EMSGSIZE);
    CHECK_INT(count_open_fds(), before);
    CHECK_INT(fds[0], -7);
    CHECK_INT(count, 99);
}

TEST(truncated_messages_are_dropped_whole)
{
    int s[2], fds[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    char data[8];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(wr_message_send(s[0], "123456789", 9, &s[0], 1), 0);
    CHECK_INT(wr_message_send(s[0], "12345678", 8, NULL, 0), 0);
    int before = count_open_fds();
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), -EMSGSIZE);
    CHECK_INT(count_open_fds(), before);
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 8);
}

/* Without room for descriptors, what the message says still arrives. */
TEST(descriptors_that_do_not_fit_are_left_out)
{
    int s[2], fds[WR_MESSAGE_MAX_FDS];
    struct rlimit before, now;
    size_t count = 99;
    char data[8];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(wr_message_send(s[0], "1234", 4, (int[]){s[0], s[1]}, 2), 0);
    int open_before = count_open_fds();
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)s[1] + 2; /* one of the two */
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &now), 0);
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), 4);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    CHECK_INT(count, 0);
    CHECK_INT(count_open_fds(), open_before);
}

TEST(full_and_empty_sockets_say_eagain)
{
    int s[2], fds[WR_MESSAGE_MAX_FDS];
    size_t count = 0;
    char data[8];
    CHECK_INT(wr_message_pair(s), 0);
    CHECK_INT(wr_fd_set_nonblock(s[0], true), 0);
    CHECK_INT(wr_fd_set_nonblock(s[1], true), 0);
    CHECK_INT(wr_message_recv(s[1], data, sizeof(data), fds, &count), -EAGAIN);
    int r = 0;
    for (int i = 0; i < 100000 && r == 0; i++)
        r = wr_message_send(s[0], "x", 1, NULL, 0);
    CHECK_INT(r, -EAGAIN);
}
