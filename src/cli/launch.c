#include "cli/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "cli/first_start.h"
#include "cli/notify.h"
#include "cli/privileges.h"
#include "cli/state_dir.h"
#include "engine/main.h"
#include "log/log.h"
#include "server/main.h"
#include "template/store.h"

#define LOCK_WAIT_MS 15000 /* an idle server that is ending gives the lock up within that */
#define BACKLOG      1024
#define OPEN_FILES   262144

/* The directory of the socket, made if missing, and the lock of the instance. */
struct place {
    int dir_fd;
    int lock_fd;
    char *dir;        /* owned */
    const char *name; /* of the socket in it, into opts */
};

static void place_done(struct place *place)
{
    wr_close(place->dir_fd);
    wr_close(place->lock_fd);
    free(place->dir);
}

int wr_launch_check_paths(const struct wr_launch_opts *opts, struct wr_error *err)
{
    const char *slash = strrchr(opts->socket_path, '/');

    if (opts->socket_path[0] != '/' || !slash || !slash[1])
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --socket: %.100s is not an absolute path of a file",
                       opts->socket_path);
    if (opts->data_dir[0] != '/')
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --data-dir: %.100s is not an absolute path", opts->data_dir);
    return 0;
}

static int open_place(const struct wr_launch_opts *opts, struct place *place, struct wr_error *err)
{
    int r = wr_launch_check_paths(opts, err);
    struct stat st;

    if (r < 0)
        return r;
    const char *slash = strrchr(opts->socket_path, '/');
    place->name = slash + 1;
    place->dir = wr_strndup(opts->socket_path, (size_t)(slash - opts->socket_path) + 1);
    if (!place->dir)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "socket path");
    /* The server, which is not root, is found by clients through this directory; nobody else may
     * list or write it. */
    r = wr_mkdir_parents(AT_FDCWD, place->dir, 0711);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(-r), -r, "make directory %s", place->dir);
    place->dir_fd = open(place->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (place->dir_fd < 0 || fstat(place->dir_fd, &st) < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s", place->dir);
    if (!opts->fake && (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH))))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "%s can be written by others than root, who could replace the socket; "
                       "choose another directory or `chmod 711` and `chown root` it",
                       place->dir);
    return 0;
}

/* One instance per socket. The lock lives as long as this process. */
static int take_lock(struct place *place, uint64_t wait_ms, struct wr_error *err)
{
    uint64_t end_ms = wr_mono_ms() + wait_ms;
    char name[280];

    if (!wr_strformat(name, sizeof name, "%s.lock", place->name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --socket: the name is too long");
    place->lock_fd = openat(place->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (place->lock_fd < 0)
        return wr_fail_errno(err, wr_code_from_errno(errno), "open %s%s", place->dir, name);
    while (flock(place->lock_fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR)
            return wr_fail_errno(err, WR_E_INTERNAL, "lock %s%s", place->dir, name);
        if (wr_mono_ms() >= end_ms)
            return wr_fail(err, WR_E_ALREADY_EXISTS, 0,
                           "another server runs on %s%s; stop it first or give --socket another "
                           "path",
                           place->dir, place->name);
        (void)poll(NULL, 0, 50);
    }
    return 0;
}

/*
 * Bound under a temporary name and renamed: clients see either the old socket (refused), nothing,
 * or one that listens with its final mode. The umask, not a later chmod, makes it 0600.
 */
static int bind_socket(const struct place *place, int *ret_fd, struct wr_error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char temporary[280];

    if (!wr_strformat(temporary, sizeof temporary, "%s.new", place->name) ||
        !wr_strformat(address.sun_path, sizeof address.sun_path, "%s%s", place->dir, temporary))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --socket: longer than %zu bytes with \".new\"",
                       sizeof address.sun_path - 1);
    wr_auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "socket");
    if (unlinkat(place->dir_fd, temporary, 0) < 0 && errno != ENOENT)
        return wr_fail_errno(err, WR_E_INTERNAL, "remove %s", address.sun_path);
    mode_t old = umask(0177);
    int r = bind(fd, (struct sockaddr *)&address, sizeof address);
    int bind_errno = errno;
    umask(old);
    if (r < 0)
        return wr_fail(err, wr_code_from_errno(bind_errno), bind_errno, "bind %s",
                       address.sun_path);
    if (listen(fd, BACKLOG) < 0 ||
        renameat(place->dir_fd, temporary, place->dir_fd, place->name) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "listen on %s%s", place->dir, place->name);
    *ret_fd = wr_steal_fd(&fd);
    return 0;
}

static int need_root(const struct wr_launch_opts *opts, struct wr_error *err)
{
    if (opts->fake || geteuid() == 0)
        return 0;
    return wr_fail(err, WR_E_PERMISSION_DENIED, 0,
                   "the server has to be started as root: its engine makes namespaces and mounts "
                   "(the part that serves requests drops root at once); try `sudo warren serve`");
}

int wr_launch_check(const struct wr_launch_opts *opts, struct wr_error *err)
{
    struct place place = {.dir_fd = -1, .lock_fd = -1};

    int r = need_root(opts, err);
    if (r == 0)
        r = open_place(opts, &place, err);
    if (r == 0)
        r = take_lock(&place, 0, err);
    place_done(&place);
    return r;
}

/* Four sockets per sandbox and one per connection: far above the usual soft limit of 1024. Without
 * the right to raise the hard limit, that is what there is. After the engine's start, so that its
 * sandboxes do not inherit it. */
static void raise_open_files(void)
{
    struct rlimit limit = {OPEN_FILES, OPEN_FILES};

    if (setrlimit(RLIMIT_NOFILE, &limit) == 0 || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        wr_log(WR_LOG_WARN, "limit of open files stays low", NULL);
}

/* From here on nothing is opened or changed in this process that needs rights. */
static int become_server(const struct wr_launch_opts *opts, const struct wr_server_opts *server,
                         int lock_fd, struct wr_error *err)
{
    int keep[4 + WR_MAX_LISTENERS] = {lock_fd, server->engine_fd, server->ready_fd, opts->ready_fd};

    for (size_t i = 0; i < WR_MAX_LISTENERS; i++)
        keep[4 + i] = i < server->listener_count ? server->listeners[i].fd : -1;

    raise_open_files();
    int r = wr_privileges_close_others(keep, WR_ARRAY_SIZE(keep), err);
    if (r == 0 && geteuid() == 0)
        r = wr_privileges_drop(WR_SERVER_USER, WR_SERVER_FALLBACK_ID, err);
    if (r == 0)
        wr_log(WR_LOG_INFO, "listening", "socket", opts->socket_path, NULL);
    return r;
}

static void log_listeners(const struct wr_front *front)
{
    static const char *const names[] = {
        [WR_LISTEN_LOCAL] = "local",
        [WR_LISTEN_API] = "control API",
        [WR_LISTEN_INGRESS] = "ingress",
        [WR_LISTEN_DOMAIN] = "domain",
    };

    for (size_t i = 0; i < front->count; i++) {
        const struct wr_front_listener *listener = &front->listeners[i];
        char text[WR_LISTEN_TEXT_MAX];
        wr_listen_format(&listener->addr, text);
        wr_log(WR_LOG_INFO, "listening", "what", names[listener->kind], "address", text, "tls",
               listener->tls ? "yes" : "no", NULL);
    }
}

/* The server's own directory in the data directory, and the TCP sockets: what can fail for reasons
 * of the operator's is tried before anything is started. */
static int prepare(const struct wr_launch_opts *opts, struct wr_server_opts *server,
                   struct wr_listen_spec *listeners, struct wr_error *err)
{
    wr_auto_close int data_dir_fd = -1;
    uid_t uid = geteuid();
    gid_t gid = getegid();

    if (uid == 0)
        wr_privileges_find(WR_SERVER_USER, WR_SERVER_FALLBACK_ID, &uid, &gid);
    int r = wr_data_dir_open(opts->data_dir, &data_dir_fd, err);
    if (r == 0)
        r = wr_state_dir_make(opts->data_dir, uid, gid, &opts->front->state_dir, err);
    opts->front->config.state_dir = opts->front->state_dir;
    if (r == 0)
        r = wr_front_open(opts->front, listeners, err);
    if (r == 0)
        server->listener_count += opts->front->count;
    return r;
}

/* Where the server says that it is ready. */
static int open_ready(const struct wr_launch_opts *opts, struct wr_server_opts *server,
                      struct wr_error *err)
{
    if (opts->ready_fd < 0) {
        server->ready_text = WR_NOTIFY_READY;
        return wr_notify_open(&server->ready_fd, err);
    }
    server->ready_text = "R";
    server->ready_fd = fcntl(opts->ready_fd, F_DUPFD_CLOEXEC, 3);
    return server->ready_fd < 0 ? wr_fail_errno(err, WR_E_INTERNAL, "pipe for readiness") : 0;
}

int wr_launch(const struct wr_launch_opts *opts, struct wr_error *err)
{
    struct place place = {.dir_fd = -1, .lock_fd = -1};
    struct wr_listen_spec listeners[WR_MAX_LISTENERS] = {{.kind = WR_LISTEN_LOCAL, .fd = -1}};
    struct wr_server_opts server = {.engine_fd = -1,
                                    .config = &opts->front->config,
                                    .listeners = listeners,
                                    .listener_count = 1,
                                    .ready_fd = -1,
                                    .idle_timeout_ms = opts->idle_timeout_ms};
    struct wr_engine_opts engine = {.data_dir = opts->data_dir,
                                    .volume_path = opts->volume_path,
                                    .volume_size_bytes = opts->volume_size_bytes,
                                    .criu = opts->criu,
                                    .fake = opts->fake};
    pid_t engine_pid = -1;

    int r = need_root(opts, err);
    if (r == 0)
        r = open_place(opts, &place, err);
    if (r == 0)
        r = take_lock(&place, LOCK_WAIT_MS, err);
    if (r == 0)
        r = prepare(opts, &server, listeners + 1, err);
    if (r == 0)
        r = open_ready(opts, &server, err);
    engine.run_dir = place.dir;
    if (r == 0)
        r = wr_engine_start(&engine, &server.engine_fd, &engine_pid, err);
    if (r == 0)
        r = bind_socket(&place, &listeners[0].fd, err);
    if (r == 0) {
        wr_close(place.dir_fd);
        place.dir_fd = -1;
        r = become_server(opts, &server, place.lock_fd, err);
    }
    if (r == 0)
        r = wr_first_start(opts->front, err);
    if (r == 0) {
        log_listeners(opts->front);
        r = wr_server_run(&server, err);
    } else {
        wr_close(server.engine_fd);
        for (size_t i = 0; i < server.listener_count; i++)
            wr_close(listeners[i].fd);
        wr_close(server.ready_fd);
    }
    place_done(&place);
    return r;
}
