#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "client/connect_call.h"
#include "test.h"

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"

/* A server that gives every request this answer and then says nothing, for ever. */
static pid_t start_server(const char *path, const char *answer, size_t len)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(wr_strcopy(address.sun_path, sizeof address.sun_path, path));
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        char in[4096];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int peer = accept(fd, NULL, NULL);
        if (read(peer, in, sizeof in) > 0 && write(peer, answer, len) == (ssize_t)len)
            (void)pause();
        _exit(0);
    }
    close(fd);
    return pid;
}

static struct {
    unsigned messages, ends;
    struct wr_error error;
} seen;

static void on_message(struct wr_rpc *rpc, const json_t *message, void *data)
{
    (void)rpc;
    (void)message;
    (void)data;
    seen.messages++;
}

static void on_end(struct wr_rpc *rpc, const struct wr_error *error, void *data)
{
    (void)rpc;
    (void)data;
    seen.ends++;
    if (error)
        seen.error = *error;
}

/* What a stream makes of an answer that does not end; 0 when it still waits after a while. */
static int outcome(const char *answer, size_t len)
{
    static const struct wr_rpc_stream_ops ops = {.on_message = on_message, .on_end = on_end};
    const struct wr_rpc_request request = {
        .sandbox_id = "x", .path = "/p", .message = "{}", .message_len = 2};
    char dir[] = "/tmp/wr-rpc-XXXXXX", path[64];
    struct wr_transport *client = NULL;
    struct wr_rpc *rpc = NULL;
    struct wr_error err = {0};

    CHECK(mkdtemp(dir) && wr_strformat(path, sizeof path, "%s/s", dir));
    pid_t pid = start_server(path, answer, len);
    memset(&seen, 0, sizeof seen);
    CHECK_INT(wr_transport_open_socket(path, &client, &err), 0);
    CHECK_INT(wr_rpc_stream(client, &request, &ops, NULL, &rpc, &err), 0);
    uint64_t end_ms = wr_mono_ms() + 300;
    while (seen.ends == 0 && wr_mono_ms() < end_ms)
        CHECK_INT(wr_transport_step(client, 50, &err), 0);
    int code = seen.error.code;
    CHECK_INT(seen.ends, code ? 1 : 0);
    if (seen.ends == 0)
        wr_rpc_cancel(rpc);
    wr_transport_free(client);
    kill(pid, SIGKILL);
    CHECK(waitpid(pid, NULL, 0) == pid);
    unlink(path);
    rmdir(dir);
    return code;
}

TEST(a_stream_that_cannot_go_on_ends_at_once)
{
    static const char endless[] = HEAD "\0\0\0\0\x02{}";
    static const char huge[] = HEAD "\0\xff\xff\xff\xff";
    static const char no_json[] = HEAD "\0\0\0\0\x02{}\0\0\0\0\x02}{";
    static const char compressed[] = HEAD "\x01\0\0\0\x02{}";

    CHECK_INT(outcome(endless, sizeof endless - 1), 0);
    CHECK_INT(seen.messages, 1);
    CHECK_INT(outcome(huge, sizeof huge - 1), WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(outcome(no_json, sizeof no_json - 1), WR_E_INVALID_ARGUMENT);
    CHECK_INT(seen.messages, 1);
    CHECK_INT(outcome(compressed, sizeof compressed - 1), WR_E_UNIMPLEMENTED);
}
