#include "live.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/str.h"
#include "engine/engine.h"
#include "engine/storage/image.h"
#include "engine/storage/loopdev.h"
#include "engine/storage/volume.h"
#include "peer.h"
#include "sys/message.h"
#include "template/store.h"
#include "test.h"

struct wr_engine_opts live_opts;

static char top[64], data_dir[80], run_dir[80], group[64];
static struct wr_error err;

static int open_data(void)
{
    int data = -1;
    CHECK_INT(wr_data_dir_open(data_dir, &data, &err), 0);
    return data;
}

void live_template(const char *layer, uint64_t memory_bytes)
{
    struct wr_template t = {.layer_count = 1, .user = "user", .memory_bytes = memory_bytes};
    int data = open_data();
    CHECK(wr_strcopy(t.name, sizeof(t.name), LIVE_TEMPLATE));
    CHECK(wr_strcopy(t.layers[0], sizeof(t.layers[0]), layer));
    t.env_json = wr_strdup("{}");
    CHECK_INT(wr_template_save(data, &t, &err), 0);
    wr_template_done(&t);
    close(data);
}

void live_template_remove(void)
{
    int data = open_data();
    CHECK(unlinkat(data, "templates/" LIVE_TEMPLATE ".json", 0) == 0);
    close(data);
}

static void make_template(void)
{
    static const char passwd[] = "root:x:0:0::/:/x\nuser:x:1000:1000::/:/x\n";
    struct stat st;
    int data = open_data();
    CHECK_INT(wr_mkdir_parents(data, "layers/" LIVE_LAYER "/etc", 0755), 0);
    CHECK_INT(wr_file_replace(data, "layers/" LIVE_LAYER "/etc/passwd", passwd, sizeof(passwd) - 1,
                              0644, WR_VOLATILE),
              0);
    CHECK(fstat(data, &st) == 0);
    snprintf(group, sizeof(group), "/warren-%llx/", (unsigned long long)st.st_ino);
    close(data);
    live_template(LIVE_LAYER, 0);
}

static bool image_is_attached(void)
{
    struct stat image;
    char path[128];
    snprintf(path, sizeof(path), "%s/" WR_VOLUME_IMAGE, data_dir);
    if (stat(path, &image) < 0)
        return false;
    for (int i = 0; i < 256; i++) {
        snprintf(path, sizeof(path), "/dev/loop%d", i);
        if (wr_loop_backs(path, &image))
            return true;
    }
    return false;
}

static bool has_mounts(void)
{
    char line[4096];
    FILE *f = fopen("/proc/self/mountinfo", "re");
    bool found = false;
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        found |= strstr(line, top) != NULL;
    fclose(f);
    return found;
}

/* Whether a directory of that name is below `path`, three levels deep: where control groups of
 * engines are. */
static bool has_group(int dirfd, const char *path, const char *name, int depth)
{
    int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *e;
    bool found = false;
    while (dir && !found && (e = readdir(dir)))
        if (e->d_type == DT_DIR && e->d_name[0] != '.')
            found = wr_streq(e->d_name, name) ||
                    (depth > 0 && has_group(fd, e->d_name, name, depth - 1));
    if (dir)
        closedir(dir);
    return found;
}

static bool group_is_left(void)
{
    char name[64];
    CHECK(wr_strcopy(name, sizeof(name), group + 1));
    name[strlen(name) - 1] = '\0';
    return has_group(AT_FDCWD, "/sys/fs/cgroup", name, 3);
}

static void clean(void)
{
    char path[96];
    snprintf(path, sizeof(path), "%s/stage", run_dir);
    while (umount2(path, MNT_DETACH) == 0)
        continue;
    (void)!wr_volume_unmount(data_dir, &err);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

/* One that has ended but was not waited for: whoever inherited it takes its time. */
static bool is_zombie(const char *pid)
{
    char path[300], text[512];
    snprintf(path, sizeof(path), "/proc/%s/stat", pid);
    ssize_t len = wr_file_read_line(AT_FDCWD, path, text, sizeof(text));
    const char *name_end = len > 0 ? strrchr(text, ')') : NULL;
    return !name_end || wr_starts_with(name_end, ") Z") || wr_starts_with(name_end, ") X");
}

static bool is_ours(const char *pid, const char *id)
{
    char path[300], text[4096], place[128];
    snprintf(path, sizeof(path), "/proc/%s/cgroup", pid);
    snprintf(place, sizeof(place), "%s%s", group, id ? id : "");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : wr_read_full(fd, text, sizeof(text) - 1);
    wr_close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return strstr(text, place) != NULL;
}

/* With a signal: sends it, too. */
static size_t count_processes(const char *id, int signo)
{
    DIR *dir = opendir("/proc");
    const struct dirent *e;
    size_t count = 0;
    CHECK(dir);
    while ((e = readdir(dir))) {
        if (e->d_name[0] < '1' || e->d_name[0] > '9' || !is_ours(e->d_name, id) ||
            is_zombie(e->d_name))
            continue;
        count++;
        if (signo)
            (void)kill((pid_t)strtol(e->d_name, NULL, 10), signo);
    }
    closedir(dir);
    return count;
}

void live_run(void (*test)(void))
{
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_native.XXXXXX");
    CHECK(mkdtemp(top));
    snprintf(data_dir, sizeof(data_dir), "%s/data", top);
    snprintf(run_dir, sizeof(run_dir), "%s/run", top);
    CHECK(mkdir(run_dir, 0700) == 0);
    live_opts = (struct wr_engine_opts){
        .data_dir = data_dir, .run_dir = run_dir, .volume_size_bytes = 512 * WR_MIB};
    make_template();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        test();
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(pid, &status, 0) == pid);
    bool mounts = has_mounts(), groups = group_is_left(), attached = false;
    size_t processes = count_processes(
        NULL, status != 0 ? SIGKILL : 0); /* of a test that failed: they would stay for ever */
    for (int i = 0; i < 3000 && (attached = image_is_attached()); i++)
        usleep(10000);
    clean();
    CHECK_INT(status, 0);
    CHECK_INT(processes, 0);
    CHECK(!mounts);
    CHECK(!groups);
    CHECK(!attached);
}

pid_t live_engine(int *ret_sock, bool wait)
{
    int pair[2];
    struct peer_reply reply;
    CHECK_INT(wr_message_pair(pair), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(pair[0]);
        (void)signal(SIGPIPE, SIG_IGN);
        _exit(wr_engine_run(&live_opts, pair[1], -1));
    }
    close(pair[1]);
    *ret_sock = pair[0];
    if (wait) {
        peer_recv(pair[0], &reply);
        CHECK_INT(reply.header.kind, WR_EVENT_READY | WR_ACTION_EVENT);
    }
    return pid;
}

void live_create(int sock, char *ret_id)
{
    struct peer_reply reply;
    peer_call(sock, WR_ACTION_CREATE, "{\"template\":\"" LIVE_TEMPLATE "\"}", &reply);
    if (reply.header.flags)
        wr_test_fail(__FILE__, __LINE__, "create: %s", peer_str(&reply, "message"));
    CHECK(wr_strcopy(ret_id, WR_ID_LEN + 1, peer_str(&reply, "id")));
}

bool live_agent_answers(int fd)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    const struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                         .sin6_port = htons(WR_AGENT_PORT),
                                         .sin6_addr.s6_addr = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
    char text[256] = "";
    CHECK_INT(wr_fd_set_nonblock(fd, false), 0);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ok =
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) == (ssize_t)sizeof(request) - 1 &&
        poll(&p, 1, 40000) == 1 && read(fd, text, sizeof(text) - 1) > 0 &&
        wr_starts_with(text, "HTTP/1.1 204");
    close(fd);
    return ok;
}

bool live_works(int sock, const char *id)
{
    struct peer_reply reply;
    char json[64];
    snprintf(json, sizeof(json), "{\"id\":\"%s\",\"count\":1}", id);
    peer_call(sock, WR_ACTION_SOCKETS, json, &reply);
    return reply.fd_count == 1 && live_agent_answers(reply.fds[0]);
}

size_t live_processes(const char *id)
{
    return count_processes(id, 0);
}

size_t live_uppers(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/volume/sandboxes", data_dir);
    DIR *dir = opendir(path);
    const struct dirent *e;
    size_t count = 0;
    while (dir && (e = readdir(dir)))
        count += e->d_name[0] != '.';
    if (dir)
        closedir(dir);
    return count;
}

pid_t live_nest(pid_t parent)
{
    char path[64], text[4096];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : wr_read_full(fd, text, sizeof(text) - 1);
    wr_close(fd);
    if (len <= 0)
        return 0;
    text[len] = '\0';
    char *save = NULL;
    for (char *word = strtok_r(text, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
        if (is_ours(word, "nest-") && !is_zombie(word))
            return (pid_t)strtol(word, NULL, 10);
    return 0;
}
