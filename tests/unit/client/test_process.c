#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "client/process.h"
#include "client/request.h"
#include "rpc/envelope.h"
#include "test.h"

TEST(signals_by_their_words)
{
    CHECK_INT(wr_process_signal_of_status("signal: killed"), 9);
    CHECK_INT(wr_process_signal_of_status("signal: segmentation fault (core dumped)"), 11);
    CHECK_INT(wr_process_signal_of_status("signal: interrupt"), 2);
    CHECK_INT(wr_process_signal_of_status("exit status 9"), 0);
    CHECK_INT(wr_process_signal_of_status(NULL), 0);
    CHECK_INT(wr_process_signal_of_status("signal: unheard of"), 9);
}

/* An agent that tells of a program's life in these messages, and then ends. */
struct agent {
    int fd;
    const char *const *messages;
};

static void *serve(void *data)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    const struct agent *agent = data;
    wr_auto_buf out = WR_BUF(65536);
    char in[4096];

    /* The first connection only looks whether somebody is there. */
    int peer = accept(agent->fd, NULL, NULL);
    CHECK(wr_buf_append_str(&out, head) == 0);
    for (size_t i = 0; agent->messages[i]; i++)
        CHECK(wr_envelope_write(&out, agent->messages[i + 1] ? 0 : WR_CONNECT_END_STREAM,
                                agent->messages[i], strlen(agent->messages[i])) == 0);
    while (recv(peer, in, sizeof in, 0) <= 0) {
        close(peer);
        peer = accept(agent->fd, NULL, NULL);
    }
    CHECK(send(peer, wr_buf_ptr(&out), out.len, MSG_NOSIGNAL) == (ssize_t)out.len);
    close(peer);
    return NULL;
}

static struct {
    unsigned ends;
    bool ended_well;
    struct wr_process_end end;
    struct wr_error error;
    char output[64];
} seen;

static void on_output(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data)
{
    (void)process;
    (void)stream;
    (void)data;
    strncat(seen.output, bytes, len);
}

static void on_end(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data)
{
    (void)process;
    (void)data;
    seen.ends++;
    seen.ended_well = end;
    if (end)
        seen.end = *end;
    else
        seen.error = *error;
}

static void follow(const char *const *messages)
{
    static const struct wr_process_ops ops = {.on_output = on_output, .on_end = on_end};
    const struct wr_process_opts opts = {.sandbox_id = "x", .cmd = "true"};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char dir[] = "/tmp/wr-process-XXXXXX";
    struct agent agent = {socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), messages};
    struct wr_transport *client = NULL;
    struct wr_process *process = NULL;
    struct wr_error err = {0};
    pthread_t thread;

    memset(&seen, 0, sizeof seen);
    CHECK(mkdtemp(dir));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", dir);
    CHECK(bind(agent.fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(agent.fd, 4) == 0 && pthread_create(&thread, NULL, serve, &agent) == 0);
    CHECK_INT(wr_transport_open_socket(address.sun_path, &client, &err), 0);
    CHECK_INT(wr_process_start(client, &opts, &ops, NULL, &process, &err), 0);
    while (seen.ends == 0)
        CHECK_INT(wr_transport_step(client, 10000, &err), 0);
    CHECK_INT(seen.ends, 1);
    CHECK(pthread_join(thread, NULL) == 0);
    wr_process_free(process);
    wr_transport_free(client);
    close(agent.fd);
    unlink(address.sun_path);
    rmdir(dir);
}

#define START "{\"event\":{\"start\":{\"pid\":7}}}"

TEST(a_life)
{
    follow((const char *const[]){START, "{\"event\":{\"data\":{\"stdout\":\"aGk=\"}}}",
                                 "{\"event\":{\"end\":{\"exitCode\":3,\"exited\":true}}}", "{}",
                                 NULL});
    CHECK(seen.ended_well);
    CHECK_INT(seen.end.exit_status, 3);
    CHECK_STR(seen.output, "hi");
    follow((const char *const[]){START, "{\"event\":{\"end\":{\"exited\":true}}}", "{}", NULL});
    CHECK(seen.ended_well && seen.end.exit_status == 0);
}

/* Nothing of that is a program that ended with 0, and whose output is whole. */
TEST(what_makes_no_sense)
{
    static const char *const messages[] = {
        "{\"event\":{\"end\":{\"exitCode\":\"1\"}}}", "{\"event\":{\"end\":{\"exitCode\":1.5}}}",
        "{\"event\":{\"end\":7}}", "{\"event\":{\"data\":{\"stdout\":\"*\"}}}"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(messages); i++) {
        follow((const char *const[]){START, messages[i], "{\"event\":{\"end\":{\"exited\":true}}}",
                                     "{}", NULL});
        CHECK(!seen.ended_well);
        CHECK_INT(seen.error.code, WR_E_DATA_LOSS);
    }
    follow((const char *const[]){START, "{\"event\":{}}", "{}", NULL});
    CHECK(!seen.ended_well && seen.error.code == WR_E_UNAVAILABLE);
    follow((const char *const[]){START, "{\"error\":{\"code\":\"ok\"}}", NULL});
    CHECK(!seen.ended_well && seen.error.code == WR_E_INTERNAL);
}
