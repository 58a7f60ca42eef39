#include "server_fixture.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/str.h"
#include "client/api_sandbox.h"
#include "fake_engine.h"
#include "server/api/sandboxes.h"
#include "server/auth/key.h"
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

static int listen_tcp(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 64) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void add_key(struct wr_store *store, const char *team_id, char text[static 64])
{
    struct wr_error err = {0};
    struct wr_api_key key;
    wr_key_new(text, &key);
    CHECK(wr_strcopy(key.team_id, sizeof key.team_id, team_id) &&
          wr_strcopy(key.name, sizeof key.name, "test"));
    CHECK_INT(wr_store_key_add(store, &key, &err), 0);
}

/* What an earlier server would have left, and the keys. */
static void fill_store(struct fixture *f, const struct start_opts *opts)
{
    struct wr_error err = {0};
    struct wr_store *store = NULL;
    struct wr_team team, other = {.name = "other", .slug = "other", .created_ms = 1};
    if (wr_store_open(f->dir, &store, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(wr_store_default_team(store, &team, &err), 0);
    wr_uuid_new(other.id);
    CHECK_INT(wr_store_team_add(store, &other, &err), 0);
    add_key(store, team.id, f->keys[0]);
    add_key(store, other.id, f->keys[1]);
    for (unsigned i = 0; opts->settings && i < opts->preset + opts->more_rows; i++) {
        char id[WR_ID_LEN + 1] = "";
        memset(id, 'a' + (int)i, WR_ID_LEN);
        const struct wr_store_sandbox row = {
            .id = id,
            .team_id = team.id,
            .envd_token = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
            .traffic_token = opts->traffic_token ? opts->traffic_token : "",
            .deadline_ms = wr_wall_ms() + opts->lifetime_ms,
            .settings = opts->settings};
        CHECK_INT(wr_store_sandbox_add(store, &row, &err), 0);
        if (opts->resume_at_start)
            CHECK_INT(wr_store_sandbox_resume_at_start(store, id, true, &err), 0);
    }
    wr_store_free(store);
}

void own_network(void)
{
    struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    NEEDS_ROOT();
    CHECK(unshare(CLONE_NEWNET) == 0);
    wr_auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(ioctl(fd, SIOCSIFFLAGS, &lo) == 0);
}

struct fixture start_with(const struct start_opts *opts)
{
    struct fixture f = {.dir = "/tmp/wr-server-XXXXXX"};
    struct wr_error err = {0};
    int engine_fd = -1, ready[2];
    char byte = 0;

    CHECK(mkdtemp(f.dir) && pipe(ready) == 0);
    CHECK(wr_strformat(f.path, sizeof f.path, "%s/s", f.dir));
    fill_store(&f, opts);
    fake_engine_pause_first(opts->paused);
    f.engine = fake_engine_start(&engine_fd, opts->preset);
    struct wr_server_config config = {.state_dir = f.dir,
                                      .timeout_max_s = opts->timeout_max_s ? opts->timeout_max_s
                                                                           : WR_TIMEOUT_MAX_S,
                                      .lenient = opts->lenient,
                                      .public_domain = opts->domain,
                                      .limits = opts->limits,
                                      .max_snapshots = opts->max_snapshots,
                                      .max_paused = opts->max_paused,
                                      .max_stored_bytes = opts->max_stored_bytes,

                                      .pause = opts->pause,
                                      .max_connections_per_sandbox = opts->max_connections};
    if (opts->blank_template) {
        CHECK(wr_strcopy(config.blank_pools[0].template_name,
                         sizeof config.blank_pools[0].template_name, opts->blank_template));
        config.blank_pools[0].count = opts->blank_count;
        config.blank_pool_count = 1;
    }
    struct wr_listen_spec listeners[3] = {{WR_LISTEN_LOCAL, false, listen_unix(f.path)}};
    size_t listener_count = 1;
    if (opts->api)
        listeners[listener_count++] =
            (struct wr_listen_spec){WR_LISTEN_API, false, listen_tcp(&f.api_port)};
    if (opts->ingress)
        listeners[listener_count++] =
            (struct wr_listen_spec){WR_LISTEN_INGRESS, false, listen_tcp(&f.ingress_port)};
    struct wr_server_opts server = {.engine_fd = engine_fd,
                                    .config = &config,
                                    .listeners = listeners,
                                    .listener_count = listener_count,
                                    .ready_fd = ready[1],
                                    .ready_text = "R",
                                    .idle_timeout_ms = opts->idle_ms};
    f.server = fork();
    if (f.server == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        int r = wr_server_run(&server, &err);
        if (r < 0)
            fprintf(stderr, "# server: %s\n", err.msg);
        _exit(r < 0 ? err.code : 0);
    }
    close(engine_fd);
    for (size_t i = 0; i < listener_count; i++)
        close(listeners[i].fd);
    close(ready[1]);
    CHECK_INT(wr_read_full(ready[0], &byte, 1), 1);
    CHECK_INT(byte, 'R');
    close(ready[0]);
    CHECK_INT(wr_transport_open_socket(f.path, &f.client, &err), 0);
    return f;
}

struct fixture start(unsigned preset, const char *settings, uint64_t idle_ms)
{
    return start_with(&(struct start_opts){
        .preset = preset, .settings = settings, .lifetime_ms = 60000, .idle_ms = idle_ms});
}

int exit_of(pid_t pid)
{
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void clean(struct fixture *f)
{
    wr_transport_free(f->client);
    DIR *dir = opendir(f->dir);
    CHECK(dir);
    for (const struct dirent *entry; (entry = readdir(dir));)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
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
    struct wr_api_sandbox_opts opts = {.template_name = template,
                                       .timeout_s = timeout_s,
                                       .metadata = metadata,
                                       .metadata_count = 1};
    *err = (struct wr_error){0};
    int r = wr_api_sandbox_create(f->client, &opts, id, NULL, err);
    if (r < 0)
        printf("# create %s: %s\n", template, err->msg);
    return r;
}

size_t count(struct fixture *f)
{
    struct wr_error err = {0};
    json_t *list = NULL;
    CHECK_INT(wr_api_sandbox_list(f->client, &list, &err), 0);
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

static int connect_tcp(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(f->api_port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void exchange(int fd, const char *request, char *out, size_t cap)
{
    CHECK_INT(wr_write_all(fd, request, strlen(request)), 0);
    ssize_t n = wr_read_full(fd, out, cap - 1);
    CHECK(n > 0);
    out[n] = '\0';
    close(fd);
}

void raw(const struct fixture *f, const char *request, char *out, size_t cap)
{
    exchange(connect_raw(f), request, out, cap);
}

int api_with(struct fixture *f, int key, const char *method, const char *target,
             const char *headers, const char *body, json_t **ret)
{
    static char request[WR_API_MAX_BODY + 4096], answer[262144];
    char auth[128] = "";
    int status = 0;
    if (key >= 0)
        CHECK(wr_strformat(auth, sizeof auth, "X-API-Key: %s\r\n", f->keys[key]));
    CHECK(wr_strformat(request, sizeof request,
                       "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s%s"
                       "Content-Length: %zu\r\n\r\n%s",
                       method, target, auth, headers, body ? strlen(body) : 0, body ? body : ""));
    exchange(key == -1 ? connect_raw(f) : connect_tcp(f), request, answer, sizeof answer);
    f->answer = answer;
    CHECK(sscanf(f->answer, "HTTP/1.1 %d ", &status) == 1);
    const char *start = strstr(f->answer, "\r\n\r\n");
    CHECK(start);
    if (ret)
        *ret = json_loads(start + 4, 0, NULL);
    return status;
}

int api(struct fixture *f, int key, const char *method, const char *target, const char *body,
        json_t **ret)
{
    return api_with(f, key, method, target, "", body, ret);
}

bool answered(const struct fixture *f, const char *line)
{
    char text[256];
    CHECK(wr_strformat(text, sizeof text, "\r\n%s\r\n", line));
    return strstr(f->answer, text) != NULL;
}

const char *header(const struct fixture *f, const char *name, char out[static 128])
{
    char text[64];
    CHECK(wr_strformat(text, sizeof text, "\r\n%s: ", name));
    const char *at = strstr(f->answer, text);
    size_t len = at ? strcspn(at + strlen(text), "\r") : 0;
    CHECK(len < 128);
    memcpy(out, at ? at + strlen(text) : "", len);
    out[len] = '\0';
    return out;
}

void refused(struct fixture *f, int key, const char *method, const char *target, const char *body,
             int status, const char *text)
{
    json_t *json = NULL;
    int seen = api(f, key, method, target, body, &json);
    const char *message = text_of(json, "message");
    if (seen != status || json_integer_value(json_object_get(json, "code")) != status || !message ||
        !strstr(message, text))
        wr_test_fail(__FILE__, __LINE__, "%s %s %s: not %d with \"%s\": %s", method, target,
                     body ? body : "", status, text, f->answer);
    json_decref(json);
}

json_t *created(struct fixture *f, int key, const char *target, const char *body,
                char id[static 21])
{
    json_t *json = NULL;
    if (api(f, key, "POST", target, body, &json) != 201)
        wr_test_fail(__FILE__, __LINE__, "%s %s: %s", target, body, f->answer);
    CHECK(wr_strcopy(id, 21, text_of(json, "sandboxID")));
    return json;
}

const char *text_of(const json_t *json, const char *key)
{
    return json_string_value(json_object_get(json, key));
}
