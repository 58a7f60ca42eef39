/* Requests of the engine that need no sandbox. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "nest/nest.h"
#include "test.h"

static struct wr_error err;

static struct wr_nest_answer handle(struct wr_nest *nest, const struct wr_nest_request *request,
                                    const int *fds, size_t fd_count)
{
    static char payload[1];
    struct wr_nest_answer answer;
    wr_nest_handle(nest, request, payload, fds, fd_count, &answer);
    return answer;
}

static bool can_listen(uint16_t port)
{
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
              listen(fd, 1) == 0;
    wr_close(fd);
    return ok;
}

/* A namespace of its own with lo, in which nothing of the nest's is left: the ports of the agent
 * are free for the one that is restored there. */
TEST(a_network_namespace_is_given_away)
{
    static struct wr_nest nest;
    struct stat ours, theirs, next;
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNET), 0);
    CHECK_INT(wr_netns_pool_init(&nest.netns, &err), 0);
    const struct wr_nest_request request = {
        .magic = WR_NEST_MAGIC, .kind = WR_NEST_NETNS, .sequence = 7};
    struct wr_nest_answer answer = handle(&nest, &request, NULL, 0);
    CHECK_INT(answer.reply.error.code, 0);
    CHECK_INT(answer.reply.sequence, 7);
    CHECK_INT(answer.reply.count, 1);
    CHECK_INT(answer.fd_count, 1);
    CHECK_INT(answer.owned_fd, answer.fds[0]);
    CHECK(!answer.silent && answer.reply.entries[0].redirect <= WR_NEST_REDIRECT_BOTH);
    CHECK(fstat(answer.fds[0], &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0);
    CHECK_INT(ioctl(answer.fds[0], NS_GET_NSTYPE), CLONE_NEWNET);
    CHECK(theirs.st_ino != ours.st_ino);
    CHECK_INT(setns(answer.fds[0], CLONE_NEWNET), 0);
    CHECK(can_listen(49983) && can_listen(49999));
    CHECK_INT(setns(nest.netns.home_fd, CLONE_NEWNET), 0);
    struct wr_nest_answer other = handle(&nest, &request, NULL, 0);
    CHECK(fstat(other.fds[0], &next) == 0 && next.st_ino != theirs.st_ino);
    close(other.owned_fd);
    close(answer.owned_fd);
    close(nest.netns.home_fd);
}

TEST(a_network_namespace_takes_no_descriptors)
{
    static struct wr_nest nest;
    const struct wr_nest_request request = {.magic = WR_NEST_MAGIC, .kind = WR_NEST_NETNS};
    struct wr_nest_answer answer = handle(&nest, &request, (const int[]){0}, 1);
    CHECK_INT(answer.reply.error.code, WR_E_INVALID_ARGUMENT);
    CHECK(answer.fd_count == 0 && answer.owned_fd == -1 && answer.reply.count == 0);
}

TEST(an_unknown_request_is_refused)
{
    static struct wr_nest nest;
    const struct wr_nest_request request = {.magic = WR_NEST_MAGIC, .kind = 99, .sequence = 3};
    struct wr_nest_answer answer = handle(&nest, &request, NULL, 0);
    CHECK_INT(answer.reply.error.code, WR_E_UNIMPLEMENTED);
    CHECK(answer.reply.sequence == 3 && !answer.silent);
}
