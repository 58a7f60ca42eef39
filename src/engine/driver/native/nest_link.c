#include "engine/driver/native/nest_link.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/fd.h"
#include "engine/driver/native/kit.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/nest_start.h"
#include "engine/spec.h"
#include "log/log.h"
#include "nest/protocol.h"
#include "sys/message.h"
#include "sys/syscall.h"

#define REPLY_TIMEOUT_S 10
#define LIST_TIMEOUT_MS 30000
#define BURY_ROUNDS     1000
#define BURY_RETRY_US   5000
#define MEMLOCK_BYTES   (64 * 1024 * 1024)
#define SHM_MIB         64
#define MAX_EVENTS      16 /* before an answer */

struct waiting {
    struct wr_list link;
    uint32_t sequence;
    enum wr_nest_kind kind; /* SPAWN or NETNS */
    wr_nest_spawned_fn fn;  /* NULL: forgotten */
    void *data;
};

struct wr_nest_link {
    struct wr_driver *driver;
    int sock; /* -1 when the nest is gone */
    struct wr_source source;
    struct wr_cgroup *home;
    struct wr_list waiting; /* in the order of requests */
    uint32_t sequence;
    bool no_redirect_told;
    char nest_name[WR_NEST_NAME_MAX];
};

static struct {
    struct wr_nest_request request;
    char config[WR_NEST_MAX_CONFIG];
} out;

static void close_fds(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        wr_close(fds[i]);
}

/* Blocking send and receive; the timeouts keep a nest that was taken over from holding the engine.
 */
static int send_request(struct wr_nest_link *link, const char *config, const int *fds,
                        size_t fd_count, struct wr_error *err)
{
    out.request.magic = WR_NEST_MAGIC;
    if (++link->sequence == 0)
        link->sequence = 1;
    out.request.sequence = link->sequence;
    out.request.config_len = (uint32_t)(config ? strlen(config) : 0);
    if (out.request.config_len > sizeof(out.config))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "the sandbox's configuration has %u bytes; %d is the limit",
                       out.request.config_len, WR_NEST_MAX_CONFIG);
    if (config)
        memcpy(out.config, config, out.request.config_len);
    int rc = wr_message_send(link->sock, &out, sizeof(out.request) + out.request.config_len, fds,
                             fd_count);
    explicit_bzero(out.config, out.request.config_len);
    return rc < 0 ? wr_fail(err, WR_E_UNAVAILABLE, -rc, "ask the nest %s", link->nest_name) : 0;
}

static int receive_reply(struct wr_nest_link *link, struct wr_nest_reply *reply, int *fds,
                         size_t *fd_count, struct wr_error *err)
{
    ssize_t len = wr_message_recv(link->sock, reply, sizeof(*reply), fds, fd_count);

    if (len == (ssize_t)sizeof(*reply) && reply->magic == WR_NEST_MAGIC &&
        reply->count <= WR_NEST_LIST_PAGE) {
        (void)wr_error_received(&reply->error);
        (void)wr_error_received(&reply->no_redirect);
        return 0;
    }
    if (len >= 0)
        close_fds(fds, *fd_count);
    *fd_count = 0;
    return wr_fail(err, WR_E_UNAVAILABLE, len < 0 ? (int)-len : 0, "the nest %s does not answer",
                   link->nest_name);
}

static bool is_zygote_event(const struct wr_nest_reply *reply)
{
    return reply->kind == WR_NEST_ZYGOTE && reply->sequence == 0 && reply->count == 1 &&
           reply->entries[0].id[WR_ID_LEN] == '\0' && wr_id_valid(reply->entries[0].id);
}

/* While an engine starts, a nest may tell of a zygote of the engine before; that one is not kept.
 */
static int receive_answer(struct wr_nest_link *link, struct wr_nest_reply *reply, int *fds,
                          size_t *fd_count, struct wr_error *err)
{
    for (int i = 0; i < MAX_EVENTS; i++) {
        int rc = receive_reply(link, reply, fds, fd_count, err);
        if (rc < 0 || !is_zygote_event(reply))
            return rc;
        close_fds(fds, *fd_count);
        *fd_count = 0;
    }
    return wr_fail(err, WR_E_UNAVAILABLE, 0, "the nest %s does not answer", link->nest_name);
}

static void finish(struct waiting *w, const struct wr_nest_sandbox *sandbox,
                   const struct wr_error *error)
{
    wr_list_remove(&w->link);
    if (w->fn)
        w->fn(w->data, sandbox, error);
    else if (sandbox)
        close_fds((const int[]){sandbox->pidfd, sandbox->ns_fd, sandbox->status_fd}, 3);
    free(w);
}

/* Nests are the only children that nobody waits for at once. */
static void reap_nests(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* The nest is gone or lies: what waits is failed, its sandboxes die with it, the next request
 * starts another one. */
void wr_nest_link_end(struct wr_nest_link *link, const char *why)
{
    struct wr_error error;

    if (link->sock < 0)
        return;
    wr_log(WR_LOG_WARN, why, "nest", link->nest_name, NULL);
    wr_source_remove(&link->source);
    link->sock = wr_close(link->sock);
    wr_nest_kill(link->driver, link->nest_name);
    reap_nests();
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the nest %s ended", link->nest_name);
    wr_list_foreach(it, &link->waiting)
        finish(wr_list_entry(it, struct waiting, link), NULL, &error);
    wr_native_zygote_nest_gone(link->driver, link);
}

static struct waiting *find_waiting(struct wr_nest_link *link, const struct wr_nest_reply *reply)
{
    wr_list_foreach(it, &link->waiting) {
        struct waiting *w = wr_list_entry(it, struct waiting, link);
        if (w->sequence == reply->sequence && w->kind == reply->kind)
            return w;
    }
    return NULL;
}

/* The host cannot do it, so this is about all sandboxes of the nest. */
static void tell_no_redirect(struct wr_nest_link *link, const struct wr_error *why)
{
    if (link->no_redirect_told)
        return;
    link->no_redirect_told = true;
    wr_log(WR_LOG_WARN, "sandboxes reach nothing outside", "nest", link->nest_name, "reason",
           why->code ? why->msg : "not known; see `warren doctor`", NULL);
}

/* Of an answer that tells of success. */
static bool answer_is_sound(const struct wr_nest_reply *reply, size_t fd_count)
{
    return fd_count == (reply->kind == WR_NEST_SPAWN ? 3 : 1) && reply->count == 1 &&
           reply->entries[0].redirect <= WR_NEST_REDIRECT_BOTH;
}

static struct wr_nest_sandbox described(const struct wr_nest_reply *reply, const int *fds)
{
    const enum wr_nest_redirect redirect = (enum wr_nest_redirect)reply->entries[0].redirect;

    if (reply->kind == WR_NEST_NETNS)
        return (struct wr_nest_sandbox){-1, fds[0], -1, redirect};
    return (struct wr_nest_sandbox){fds[0], fds[1], fds[2], redirect};
}

static void on_reply(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_nest_link *link = data;
    struct wr_nest_reply reply;
    struct wr_error err;
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;

    (void)source;
    (void)events;
    if (receive_reply(link, &reply, fds, &fd_count, &err) < 0) {
        wr_nest_link_end(link, "a nest is gone");
        return;
    }
    if (is_zygote_event(&reply) && fd_count == 0) {
        wr_native_zygote_event(link->driver, link, reply.entries[0].id, &reply.error);
        return;
    }
    struct waiting *w = find_waiting(link, &reply);
    const bool ok = w && (reply.error.code ? fd_count == 0 : answer_is_sound(&reply, fd_count));
    if (!ok) {
        close_fds(fds, fd_count);
        wr_nest_link_end(link, "a nest sent a reply that nobody asked for");
    } else if (reply.error.code) {
        finish(w, NULL, &reply.error);
    } else {
        const struct wr_nest_sandbox sandbox = described(&reply, fds);
        if (sandbox.redirect == WR_NEST_REDIRECT_NONE)
            tell_no_redirect(link, &reply.no_redirect);
        finish(w, &sandbox, NULL);
    }
}

static int setup(struct wr_nest_link *link, struct wr_error *err)
{
    struct wr_cgroup_join join = wr_cgroup_join(link->home);
    struct wr_nest_reply reply;
    int fds[WR_MESSAGE_MAX_FDS] = {link->driver->seccomp_fd};
    size_t fd_count = 0;

    for (size_t i = 0; i < join.v1_count; i++)
        fds[1 + i] = join.v1_tasks[i];
    out.request = (struct wr_nest_request){.kind = WR_NEST_SETUP};
    int rc = send_request(link, NULL, fds, 1 + join.v1_count, err);
    if (rc == 0)
        rc = receive_answer(link, &reply, fds, &fd_count, err);
    if (rc < 0)
        return rc;
    close_fds(fds, fd_count);
    if (reply.kind != WR_NEST_SETUP || reply.sequence != link->sequence || fd_count != 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the nest %s sent a wrong answer",
                       link->nest_name);
    if (reply.error.code) {
        *err = reply.error;
        return -err->code;
    }
    out.request = (struct wr_nest_request){.kind = WR_NEST_POOL, .count = WR_KITS_READY};
    return send_request(link, NULL, NULL, 0, err);
}

static int connect_to(struct wr_nest_link *link, struct wr_error *err)
{
    const struct timeval timeout = {.tv_sec = REPLY_TIMEOUT_S};
    struct sockaddr_un address;
    int rc = wr_nest_address(link->driver, link->nest_name, &address, err);

    if (rc < 0)
        return rc;
    link->sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (link->sock < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "make a socket");
    /* Before connect(), which waits while the queue of a nest that hangs is full. */
    if (setsockopt(link->sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0 ||
        setsockopt(link->sock, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "set timeouts of the nest's socket");
    if (connect(link->sock, (struct sockaddr *)&address, sizeof(address)) < 0)
        return wr_fail_errno(err, WR_E_NOT_FOUND, "connect to the nest %s", link->nest_name);
    return setup(link, err);
}

static int link_new(struct wr_driver *driver, const char *nest_name, struct wr_nest_link **ret,
                    struct wr_error *err)
{
    char name[96];
    struct wr_nest_link *link = wr_calloc(1, sizeof(*link));

    if (!link)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "keep a nest");
    link->driver = driver;
    link->sock = -1;
    wr_list_init(&link->waiting);
    int rc = wr_strcopy(link->nest_name, sizeof(link->nest_name), nest_name)
                 ? wr_nest_cgroup_name(nest_name, name, sizeof(name), err)
                 : wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the nest's name is too long");
    if (rc == 0)
        rc = wr_cgroup_new(driver->cgroups, name, &(struct wr_cgroup_limits){0}, &link->home, err);
    if (rc < 0) {
        wr_nest_link_free(link);
        return rc;
    }
    *ret = link;
    return 0;
}

static int finish_open(struct wr_nest_link *link, int rc, struct wr_nest_link **ret,
                       struct wr_error *err)
{
    if (rc == 0)
        rc = wr_source_add(link->driver->loop, &link->source, link->sock, EPOLLIN, on_reply, link,
                           err);
    if (rc < 0)
        wr_nest_link_free(link);
    else
        *ret = link;
    return rc;
}

int wr_nest_link_connect(struct wr_driver *driver, const char *nest_name, struct wr_nest_link **ret,
                         struct wr_error *err)
{
    struct wr_nest_link *link = NULL;
    int rc = link_new(driver, nest_name, &link, err);

    return rc < 0 ? rc : finish_open(link, connect_to(link, err), ret, err);
}

int wr_nest_link_open(struct wr_driver *driver, const char *nest_name, struct wr_nest_link **ret,
                      struct wr_error *err)
{
    struct wr_nest_link *link = NULL;
    /* Whatever is there is a nest that cannot be talked to, perhaps alive. */
    int rc = wr_nest_bury(driver, nest_name, err);

    if (rc == 0)
        rc = link_new(driver, nest_name, &link, err);
    if (rc < 0)
        return rc;
    rc = wr_nest_start(driver, nest_name, link->home, err);
    if (rc == 0)
        rc = connect_to(link, err);
    return finish_open(link, rc, ret, err);
}

struct wr_nest_link *wr_nest_link_free(struct wr_nest_link *link)
{
    struct wr_error error;

    if (!link)
        return NULL;
    wr_source_remove(&link->source);
    wr_close(link->sock);
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the engine stops");
    wr_list_foreach(it, &link->waiting)
        finish(wr_list_entry(it, struct waiting, link), NULL, &error);
    wr_cgroup_free(link->home);
    free(link);
    return NULL;
}

bool wr_nest_link_alive(const struct wr_nest_link *link)
{
    return link && link->sock >= 0;
}

bool wr_nest_link_check(struct wr_nest_link *link)
{
    struct pollfd fd = {.fd = link ? link->sock : -1};

    if (wr_nest_link_alive(link) && poll(&fd, 1, 0) > 0)
        wr_nest_link_end(link, "a nest is gone");
    return wr_nest_link_alive(link);
}

void wr_nest_kill(struct wr_driver *driver, const char *nest_name)
{
    struct wr_cgroup *home = NULL;
    struct sockaddr_un address;
    struct wr_error err;
    char name[96];

    if (wr_nest_cgroup_name(nest_name, name, sizeof(name), &err) < 0 ||
        wr_cgroup_open(driver->cgroups, name, &home, &err) < 0)
        return;
    /* PID 1 of the pid namespace that holds all its sandboxes: they go with it. */
    if (wr_cgroup_kill(home, &err) < 0)
        wr_log(WR_LOG_WARN, err.msg, NULL);
    wr_cgroup_free(home);
    if (wr_nest_address(driver, nest_name, &address, &err) == 0)
        (void)unlink(address.sun_path);
}

int wr_nest_bury(struct wr_driver *driver, const char *nest_name, struct wr_error *err)
{
    char group[96];
    int rc = wr_nest_cgroup_name(nest_name, group, sizeof(group), err);

    if (rc < 0)
        return rc;
    wr_nest_kill(driver, nest_name);
    rc = wr_cgroup_remove(driver->cgroups, group, err);
    for (int i = 0; i < BURY_ROUNDS && rc < 0; i++) {
        usleep(BURY_RETRY_US);
        rc = wr_cgroup_remove(driver->cgroups, group, err);
    }
    reap_nests();
    return rc < 0 ? wr_wrap(err, "end of the nest %s", nest_name) : 0;
}

/* Overlay mount, v1 tasks files, v2 directory; and the request's fields about them. */
static size_t describe_kit(const struct wr_kit *kit, enum wr_nest_kind kind, int *fds)
{
    struct wr_cgroup_join join = wr_cgroup_join(kit->cgroup);
    size_t count = 0;

    fds[count++] = kit->overlay_fd;
    for (size_t i = 0; i < join.v1_count; i++)
        fds[count++] = join.v1_tasks[i];
    if (join.v2_dir >= 0)
        fds[count++] = join.v2_dir;
    out.request = (struct wr_nest_request){
        .kind = kind,
        .slot = kit->slot,
        .v1_count = (uint8_t)join.v1_count,
        .has_v2 = join.v2_dir >= 0,
        .shm_mib = SHM_MIB,
    };
    memcpy(out.request.id, kit->id, sizeof(out.request.id));
    return count;
}

/* The volumes' mounts, and what the request says about them. */
static size_t describe_shares(const struct wr_nest_spawn *spawn, int *fds)
{
    const struct wr_spec *spec = spawn->spec;

    for (size_t i = 0; i < spec->share_count; i++) {
        struct wr_nest_volume *volume = &out.request.volumes[i];
        memcpy(volume->path, spec->shares[i].path, sizeof(spec->shares[i].path));
        volume->read_only = spec->shares[i].read_only;
        fds[i] = spawn->share_fds[i];
    }
    out.request.volume_count = (uint8_t)spec->share_count;
    return spec->share_count;
}

/* Sends what `out.request` says; `fn` is called with the answer. */
static int ask(struct wr_nest_link *link, const char *config, const int *fds, size_t fd_count,
               const struct waiting *waiting, struct wr_error *err)
{
    struct waiting *w = wr_calloc(1, sizeof(*w));

    if (!w)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "ask the nest");
    int rc = send_request(link, config, fds, fd_count, err);
    if (rc < 0) {
        free(w);
        if (rc ==
            -WR_E_UNAVAILABLE) /* it died, or does not read: the next request starts another one */
            wr_nest_link_end(link, "a nest does not take requests");
        return rc;
    }
    *w = *waiting;
    w->sequence = link->sequence;
    w->kind = (enum wr_nest_kind)out.request.kind;
    wr_list_append(&link->waiting, &w->link);
    return 0;
}

int wr_nest_link_spawn(struct wr_nest_link *link, const struct wr_nest_spawn *spawn,
                       wr_nest_spawned_fn fn, void *data, struct wr_error *err)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = describe_kit(spawn->kit, WR_NEST_SPAWN, fds);

    fd_count += describe_shares(spawn, fds + fd_count);
    out.request.layers = spawn->layers_id;
    out.request.rlimits = (struct wr_nest_rlimits){.open_files = spawn->spec->open_files,
                                                   .memlock_bytes = MEMLOCK_BYTES};
    return ask(link, spawn->config, fds, fd_count, &(struct waiting){.fn = fn, .data = data}, err);
}

int wr_nest_link_netns(struct wr_nest_link *link, wr_nest_spawned_fn fn, void *data,
                       struct wr_error *err)
{
    out.request = (struct wr_nest_request){.kind = WR_NEST_NETNS};
    return ask(link, NULL, NULL, 0, &(struct waiting){.fn = fn, .data = data}, err);
}

int wr_nest_link_zygote(struct wr_nest_link *link, const struct wr_kit *kit, uint64_t layers_id,
                        struct wr_error *err)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = describe_kit(kit, WR_NEST_ZYGOTE, fds);

    out.request.layers = layers_id;
    fds[fd_count++] = link->driver->zygote_seccomp_fd;
    return send_request(link, NULL, fds, fd_count, err);
}

int wr_nest_link_no_zygote(struct wr_nest_link *link, struct wr_error *err)
{
    out.request = (struct wr_nest_request){.kind = WR_NEST_ZYGOTE};
    return send_request(link, NULL, NULL, 0, err);
}

void wr_nest_link_forget(struct wr_nest_link *link, void *data)
{
    wr_list_foreach(it, &link->waiting) {
        struct waiting *w = wr_list_entry(it, struct waiting, link);
        if (w->data == data)
            w->fn = NULL;
    }
}

/* Ascending, valid ids: so the end comes, whatever the nest does. */
static bool list_is_sound(const struct wr_nest_reply *reply, uint32_t sequence, const char *after)
{
    if (reply->kind != WR_NEST_LIST || reply->sequence != sequence)
        return false;
    for (size_t i = 0; i < reply->count; i++) {
        const char *id = reply->entries[i].id;
        if (!memchr(id, '\0', WR_ID_LEN + 1) || !wr_id_valid(id) || strcmp(id, after) <= 0 ||
            reply->entries[i].redirect > WR_NEST_REDIRECT_BOTH)
            return false;
        after = id;
    }
    return true;
}

int wr_nest_link_list(struct wr_nest_link *link,
                      void (*fn)(const char *id, uint32_t slot,
                                 const struct wr_nest_sandbox *sandbox, void *data),
                      void *data, struct wr_error *err)
{
    uint64_t start_ms = wr_mono_ms();
    struct wr_nest_reply reply = {.more = 1};
    char after[WR_ID_LEN + 1] = "";
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;

    for (size_t page = 0; reply.more && page < WR_NEST_MAX_CHILDREN; page++) {
        out.request = (struct wr_nest_request){.kind = WR_NEST_LIST};
        memcpy(out.request.id, after, sizeof(after));
        int rc = send_request(link, NULL, NULL, 0, err);
        if (rc == 0)
            rc = receive_answer(link, &reply, fds, &fd_count, err);
        if (rc < 0)
            return rc;
        if (!list_is_sound(&reply, link->sequence, after) || fd_count != 2 * (size_t)reply.count ||
            wr_mono_ms() - start_ms > LIST_TIMEOUT_MS) {
            close_fds(fds, fd_count);
            return wr_fail(err, WR_E_UNAVAILABLE, 0, "the nest %s sent a wrong list",
                           link->nest_name);
        }
        for (size_t i = 0; i < reply.count; i++) {
            const struct wr_nest_entry *e = &reply.entries[i];
            memcpy(after, e->id, sizeof(after));
            fn(e->id, e->slot,
               &(struct wr_nest_sandbox){fds[2 * i], fds[2 * i + 1], -1,
                                         (enum wr_nest_redirect)e->redirect},
               data);
        }
        if (reply.count == 0)
            break;
    }
    return 0;
}
