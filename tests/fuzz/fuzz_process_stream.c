/* What a sandbox answers to a client that starts a program in it: an HTTP response with a stream of
 * envelopes. Whatever comes, the call ends exactly once, and only started programs have output. */
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "client/process.h"
#include "fuzz.h"

#define MAX_ROUNDS 1000

struct seen {
    unsigned starts, ends;
    size_t bytes;
};

static void on_start(struct wr_process *process, uint32_t pid, void *data)
{
    struct seen *seen = data;

    HOLDS(wr_process_pid(process) == pid && seen->ends == 0);
    seen->starts++;
}

static void on_output(struct wr_process *process, enum wr_process_stream stream, const void *bytes,
                      size_t len, void *data)
{
    struct seen *seen = data;

    (void)process;
    HOLDS(bytes && len > 0 && seen->ends == 0 && stream <= WR_PROCESS_PTY);
    seen->bytes += len;
}

static void on_end(struct wr_process *process, const struct wr_process_end *end,
                   const struct wr_error *error, void *data)
{
    struct seen *seen = data;

    (void)process;
    HOLDS((end != NULL) != (error != NULL));
    HOLDS(!error || error->code != WR_OK);
    seen->ends++;
}

/* A listening socket that every run uses; the name is unlinked with the process's directory. */
static int listener(const char **ret_path)
{
    static char path[64];
    static int fd = -1;

    *ret_path = path;
    if (fd >= 0)
        return fd;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    HOLDS(wr_strformat(path, sizeof(path), "/dev/shm/wr-fuzz-%d", (int)getpid()));
    HOLDS(wr_strcopy(address.sun_path, sizeof(address.sun_path), path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    (void)unlink(path);
    HOLDS(bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 4) == 0);
    return fd;
}

/* Everything at once, then the end. False: the client did not connect. */
static bool answer(int listen_fd, const uint8_t *data, size_t size)
{
    struct pollfd ready = {.fd = listen_fd, .events = POLLIN};

    if (poll(&ready, 1, 0) != 1)
        return false;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    HOLDS(fd >= 0);
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)sent;
    (void)shutdown(fd, SHUT_WR);
    close(fd);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct wr_process_ops ops = {
        .on_start = on_start, .on_output = on_output, .on_end = on_end};
    const struct wr_process_opts opts = {.sandbox_id = "abcdefghijklmnopqrst", .cmd = "true"};
    struct wr_transport *client = NULL;
    struct wr_process *process = NULL;
    struct seen seen = {0};
    struct wr_error err = {0};
    const char *path = NULL;
    int fd = listener(&path);

    HOLDS(wr_transport_open_socket(path, &client, &err) == 0);
    HOLDS(wr_process_start(client, &opts, &ops, &seen, &process, &err) == 0);
    while (answer(fd, data, size)) {
    }
    for (int i = 0; i < MAX_ROUNDS && seen.ends == 0; i++) {
        HOLDS(wr_transport_step(client, 0, &err) == 0);
        (void)answer(fd, data, size);
    }
    HOLDS(seen.ends == 1 && seen.starts <= 1);
    wr_process_free(process);
    wr_transport_free(client);
    while (answer(fd, data, 0)) {
    }
    return 0;
}
