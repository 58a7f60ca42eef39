#include "server_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "client/sandbox.h"
#include "fake_engine.h"
#include "server/main.h"
#include "test.h"

static int listen_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(wr_strcopy(address.sun_path, sizeof address.sun_path, path));
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    return fd;
}

struct fixture start(unsigned preset, const char *owner, uint64_t idle_ms)
{
    struct fixture f = {.dir = "/tmp/wr-server-XXXXXX"};
    struct wr_error err = {0};
    int engine_fd = -1, ready[2];
    char byte = 0;

    CHECK(mkdtemp(f.dir) && pipe(ready) == 0);
    CHECK(wr_strformat(f.path, sizeof f.path, "%s/s", f.dir));
    f.engine = fake_engine_start(&engine_fd, preset, owner);
    const struct wr_server_config config = {.state_dir = f.dir, .timeout_max_s = WR_TIMEOUT_MAX_S};
    const struct wr_listen_spec listener = {WR_LISTEN_LOCAL, false, listen_unix(f.path)};
    struct wr_server_opts opts = {engine_fd, &config, &listener, 1, ready[1], idle_ms};
    f.server = fork();
    if (f.server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        _exit(wr_server_run(&opts, &err) < 0 ? err.code : 0);
    }
    close(engine_fd);
    close(listener.fd);
    close(ready[1]);
    CHECK_INT(wr_read_full(ready[0], &byte, 1), 1);
    CHECK_INT(byte, 'R');
    close(ready[0]);
    CHECK_INT(wr_client_open(f.path, &f.client, &err), 0);
    return f;
}

int exit_of(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void clean(struct fixture *f)
{
    wr_client_free(f->client);
    unlink(f->path);
    rmdir(f->dir);
}

void stop(struct fixture *f)
{
    kill(f->server, SIGTERM);
    CHECK_INT(exit_of(f->server), 0);
    CHECK_INT(exit_of(f->engine), 0); /* its socket was closed, it was not shut down */
    clean(f);
}

int create(struct fixture *f, const char *template, uint64_t timeout_s, char id[static 21],
           struct wr_error *err)
{
    static const char *const metadata[] = {"k=v"};
    struct wr_sandbox_opts opts = {.template_name = template,
                                   .timeout_s = timeout_s,
                                   .metadata = metadata,
                                   .metadata_count = 1};
    *err = (struct wr_error){0};
    int r = wr_sandbox_create(f->client, &opts, id, NULL, err);
    if (r < 0)
        printf("# create %s: %s\n", template, err->msg);
    return r;
}

size_t count(struct fixture *f)
{
    struct wr_error err = {0};
    json_t *list = NULL;
    CHECK_INT(wr_sandbox_list(f->client, &list, &err), 0);
    size_t n = json_array_size(list);
    json_decref(list);
    return n;
}

int connect_raw(const struct fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(wr_strcopy(address.sun_path, sizeof address.sun_path, f->path));
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

void raw(const struct fixture *f, const char *request, char *out, size_t cap)
{
    int fd = connect_raw(f);
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    ssize_t n = wr_read_full(fd, out, cap - 1);
    CHECK(n > 0);
    out[n] = '\0';
    close(fd);
}
