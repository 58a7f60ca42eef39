/* Pausing, resuming, snapshots: the native driver with CRIU, as root, in a data directory of its
 * own. What is in memory is a file in the sandbox's tmpfs (/run), which an image has and the
 * writable layer has not. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "live.h"
#include "live_http.h"
#include "peer.h"
#include "template/store.h"
#include "test.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static struct wr_error err;

static void shut_down(int sock, pid_t engine)
{
    int status = -1;
    CHECK_INT(peer_code(sock, WR_ACTION_SHUTDOWN, "{}"), 0);
    CHECK(waitpid(engine, &status, 0) == engine);
    CHECK_INT(status, 0);
    close(sock);
}

/* The request "{"id": ..., rest}"; its code. */
static int ask(int sock, unsigned kind, const char *id, const char *rest)
{
    struct peer_reply reply;
    char json[256];
    snprintf(json, sizeof(json), "{\"id\":\"%s\"%s%s}", id, *rest ? "," : "", rest);
    peer_call(sock, kind, json, &reply);
    if (!reply.header.flags)
        return 0;
    printf("# %u: %s\n", kind, peer_str(&reply, "message"));
    return (int)json_integer_value(json_object_get(reply.json, "code"));
}

static int pause_to(int sock, const char *id, const char *level)
{
    char rest[64];
    snprintf(rest, sizeof(rest), "\"level\":\"%s\"", level);
    return ask(sock, WR_ACTION_PAUSE, id, rest);
}

/* "running", ..., of the entry that LIST has of it, or "" */
static void level_of(int sock, const char *id, char out[static 16])
{
    struct peer_reply reply;
    size_t i;
    json_t *entry;
    out[0] = '\0';
    peer_call(sock, WR_ACTION_LIST, "{}", &reply);
    json_array_foreach(json_object_get(reply.json, "sandboxes"), i, entry)
        if (wr_streq(json_string_value(json_object_get(entry, "id")), id))
            CHECK(wr_strcopy(out, 16, json_string_value(json_object_get(entry, "level"))));
}

static void check_level(int sock, const char *id, const char *level)
{
    char now[16];
    level_of(sock, id, now);
    CHECK_STR(now, level);
}

static void check_file(int sock, const char *id, const char *path, const char *text)
{
    char now[512];
    CHECK_INT(live_http_get(sock, id, path, now, sizeof(now)), text ? 200 : 404);
    if (text)
        CHECK_STR(now, text);
}

/* Snapshots and hibernated sandboxes on the volume, half-made ones too. */
static size_t saved_count(void)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/volume/snapshots", live_opts.data_dir);
    DIR *dir = opendir(path);
    const struct dirent *e;
    size_t count = 0;
    CHECK(dir);
    while ((e = readdir(dir)))
        count += !wr_streq(e->d_name, ".") && !wr_streq(e->d_name, "..") &&
                 !wr_starts_with(e->d_name, ".gone-");
    closedir(dir);
    return count;
}

static void create_with_note(int sock, char id[WR_ID_LEN + 1], const char *text)
{
    live_create(sock, id);
    CHECK(live_http_put(sock, id, "/run/note", text));
    CHECK(live_http_put(sock, id, "/root/note", text));
}

/* Those that it was created with, not what CRIU was given. */
static void check_limits(int sock, const char *id)
{
    struct peer_reply reply;
    char json[64];
    snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
    peer_call(sock, WR_ACTION_STATS, json, &reply);
    CHECK_INT(reply.header.flags, 0);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "memoryLimitBytes")),
              WR_MEMORY_BYTES_DEFAULT);
    CHECK_INT(json_integer_value(json_object_get(reply.json, "diskLimitBytes")),
              WR_DISK_BYTES_DEFAULT);
    CHECK(json_integer_value(json_object_get(reply.json, "memoryBytes")) > 0);
}

static void check_rounds(void)
{
    char id[WR_ID_LEN + 1], boot[512], now[512];
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "a note");
    CHECK_INT(live_http_get(sock, id, BOOT_ID, boot, sizeof(boot)), 200);
    CHECK_INT(strlen(boot), 37);
    for (int round = 0; round < 3; round++) {
        CHECK_INT(pause_to(sock, id, "hibernated"), 0);
        CHECK_INT(live_processes(id), 0);
        check_level(sock, id, "hibernated");
        CHECK_INT(ask(sock, WR_ACTION_RESUME, id, "\"sockets\":1"), 0);
        check_level(sock, id, "running");
        CHECK(live_works(sock, id));
        check_file(sock, id, "/run/note", "a note");
        check_file(sock, id, BOOT_ID, boot);
        check_limits(sock, id);
    }
    CHECK_INT(saved_count(), 0);
    /* Files only: what was in memory is gone, and it is another boot. */
    CHECK_INT(ask(sock, WR_ACTION_PAUSE, id, "\"level\":\"hibernated\",\"memory\":false"), 0);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, id, ""), 0);
    check_file(sock, id, "/run/note", NULL);
    check_file(sock, id, "/root/note", "a note");
    CHECK_INT(live_http_get(sock, id, BOOT_ID, now, sizeof(now)), 200);
    CHECK(strlen(now) == 37 && strcmp(now, boot) != 0);
    /* And one that gives its memory up. */
    CHECK_INT(pause_to(sock, id, "hibernated"), 0);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, id, "\"memory\":false"), 0);
    check_file(sock, id, "/root/note", "a note");
    CHECK_INT(ask(sock, WR_ACTION_KILL, id, ""), 0);
    CHECK_INT(live_processes(id), 0);
    shut_down(sock, engine);
}

TEST(three_rounds_through_the_disk)
{
    live_run(check_rounds);
}

/* A resumed sandbox is found again, a hibernated one too; SHUTDOWN leaves the latter. */
static void check_restarts(void)
{
    char a[WR_ID_LEN + 1], b[WR_ID_LEN + 1], c[WR_ID_LEN + 1];
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, a, "a");
    create_with_note(sock, b, "b");
    create_with_note(sock, c, "c");
    CHECK_INT(pause_to(sock, a, "hibernated"), 0);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, a, ""), 0);
    CHECK_INT(pause_to(sock, b, "hibernated"), 0);
    CHECK_INT(pause_to(sock, c, "frozen"), 0);
    for (int round = 0; round < 2; round++) {
        CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, &status, 0) == engine);
        close(sock);
        engine = live_engine(&sock, true);
        check_level(sock, a, "running");
        check_level(sock, b, "hibernated");
        check_level(sock, c, "frozen");
        check_file(sock, a, "/run/note", "a");
        CHECK_INT(ask(sock, WR_ACTION_STATS, c, ""), 0);
    }
    CHECK_INT(ask(sock, WR_ACTION_RESUME, c, ""), 0);
    check_file(sock, c, "/run/note", "c");
    shut_down(sock, engine);
    CHECK_INT(live_processes(NULL), 0);
    engine = live_engine(&sock, true);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, b, ""), 0);
    check_file(sock, b, "/run/note", "b");
    check_level(sock, a, "");
    CHECK_INT(ask(sock, WR_ACTION_KILL, b, ""), 0);
    shut_down(sock, engine);
}

TEST(engines_come_and_go)
{
    live_run(check_restarts);
}

static void fork_of(int sock, const char *snapshot, char ret_id[WR_ID_LEN + 1])
{
    struct peer_reply reply;
    char json[96];
    snprintf(json, sizeof(json), "{\"snapshot\":\"%s\"}", snapshot);
    peer_call(sock, WR_ACTION_CREATE, json, &reply);
    if (reply.header.flags)
        wr_test_fail(__FILE__, __LINE__, "create: %s", peer_str(&reply, "message"));
    CHECK(wr_strcopy(ret_id, WR_ID_LEN + 1, peer_str(&reply, "id")));
    CHECK(json_is_false(json_object_get(reply.json, "booted")));
}

static void check_forks(void)
{
    static const char snapshot[] = "snapsnapsnapsnapsnap";
    char id[WR_ID_LEN + 1], forks[3][WR_ID_LEN + 1], text[64], now[512];
    struct peer_reply reply;
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "before");
    CHECK_INT(ask(sock, WR_ACTION_SNAPSHOT, id, "\"snapshot\":\"snapsnapsnapsnapsnap\""), 0);
    check_level(sock, id, "running");
    CHECK(live_http_put(sock, id, "/run/note", "after"));
    CHECK_INT(ask(sock, WR_ACTION_SNAPSHOT, id, "\"snapshot\":\"snapsnapsnapsnapsnap\""),
              WR_E_ALREADY_EXISTS);
    for (int i = 0; i < 3; i++) {
        fork_of(sock, snapshot, forks[i]);
        check_file(sock, forks[i], "/run/note", "before");
        check_file(sock, forks[i], "/root/note", "before");
        CHECK_INT(live_http_get(sock, forks[i], "/proc/sys/kernel/hostname", now, sizeof(now)),
                  200);
        CHECK(strstr(now, forks[i]));
        snprintf(text, sizeof(text), "fork %d", i);
        CHECK(live_http_put(sock, forks[i], "/root/note", text));
    }
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), "fork %d", i);
        check_file(sock, forks[i], "/root/note", text);
    }
    check_file(sock, id, "/run/note", "after");
    check_file(sock, id, "/root/note", "before");
    peer_call(sock, WR_ACTION_SNAPSHOTS, "{}", &reply);
    CHECK_INT(json_array_size(json_object_get(reply.json, "snapshots")), 1);
    /* A fork is a sandbox like any other. */
    CHECK_INT(pause_to(sock, forks[0], "hibernated"), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"snapsnapsnapsnapsnap\"}"),
              0);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, forks[0], ""), 0);
    check_file(sock, forks[0], "/root/note", "fork 0");
    check_file(sock, forks[0], "/run/note", "before");
    shut_down(sock, engine);
}

TEST(three_forks_side_by_side)
{
    live_run(check_forks);
}

static void check_rollback(void)
{
    char id[WR_ID_LEN + 1];
    int sock = -1, status = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "early");
    CHECK_INT(ask(sock, WR_ACTION_SNAPSHOT, id, "\"snapshot\":\"snapsnapsnapsnapsnap\""), 0);
    for (int round = 0; round < 2; round++) {
        CHECK(live_http_put(sock, id, "/run/note", "late"));
        CHECK(live_http_put(sock, id, "/root/late", "late"));
        if (round == 1) {
            CHECK_INT(pause_to(sock, id, "hibernated"), 0);
            CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, &status, 0) == engine);
            close(sock);
            engine = live_engine(&sock, true);
        }
        CHECK_INT(ask(sock, WR_ACTION_ROLLBACK, id, "\"snapshot\":\"snapsnapsnapsnapsnap\""), 0);
        check_level(sock, id, "running");
        check_file(sock, id, "/run/note", "early");
        check_file(sock, id, "/root/note", "early");
        check_file(sock, id, "/root/late", NULL);
    }
    CHECK_INT(ask(sock, WR_ACTION_KILL, id, ""), 0);
    CHECK_INT(peer_code(sock, WR_ACTION_SNAPSHOT_REMOVE, "{\"snapshot\":\"snapsnapsnapsnapsnap\"}"),
              0);
    shut_down(sock, engine);
}

TEST(rollback)
{
    live_run(check_rollback);
}

/* The engine dies at any moment of a pause and a resume: the sandbox is running, frozen or
 * hibernated, and what it had is there. */
static void check_kills(void)
{
    char id[WR_ID_LEN + 1], level[16], json[96];
    int sock = -1;
    unsigned levels[3] = {0};
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "kept");
    srand((unsigned)getpid());
    for (int round = 0; round < 16; round++) {
        level_of(sock, id, level);
        const bool pause = wr_streq(level, "running");
        snprintf(json, sizeof(json), "{\"id\":\"%s\"%s}", id,
                 pause ? ",\"level\":\"hibernated\"" : "");
        peer_send(sock, pause ? WR_ACTION_PAUSE : WR_ACTION_RESUME, 1, json);
        usleep((useconds_t)(rand() % 120000));
        CHECK(kill(engine, SIGKILL) == 0 && waitpid(engine, NULL, 0) == engine);
        close(sock);
        engine = live_engine(&sock, true);
        level_of(sock, id, level);
        levels[0] += wr_streq(level, "running");
        levels[1] += wr_streq(level, "frozen");
        levels[2] += wr_streq(level, "hibernated");
        CHECK_INT(saved_count(), wr_streq(level, "hibernated"));
        if (!wr_streq(level, "running"))
            CHECK(round % 2 == 0 || ask(sock, WR_ACTION_RESUME, id, "") == 0);
        if (wr_streq(level, "running") || round % 2 == 1) {
            check_level(sock, id, "running");
            check_file(sock, id, "/run/note", "kept");
            check_file(sock, id, "/root/note", "kept");
        }
    }
    printf("# after the kills: %u running, %u frozen, %u hibernated\n", levels[0], levels[1],
           levels[2]);
    CHECK_INT(levels[0] + levels[1] + levels[2], 16);
    CHECK_INT(ask(sock, WR_ACTION_KILL, id, ""), 0);
    CHECK_INT(live_processes(id), 0);
    shut_down(sock, engine);
}

TEST(an_engine_killed_at_any_moment)
{
    live_run(check_kills);
}

/* A child of the engine of that name, or 0. */
static pid_t job_of(pid_t engine, const char *name)
{
    char path[64], text[512], comm[32];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", engine, engine);
    if (wr_file_read_line(AT_FDCWD, path, text, sizeof(text)) <= 0)
        return 0;
    char *save = NULL;
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        snprintf(path, sizeof(path), "/proc/%s/comm", word);
        if (wr_file_read_line(AT_FDCWD, path, comm, sizeof(comm)) > 0 && wr_streq(comm, name))
            return (pid_t)strtol(word, NULL, 10);
    }
    return 0;
}

/* Engine, job and CRIU die together in the middle of a restore: half a sandbox is there, which the
 * next engine ends. */
static void check_killed_restores(void)
{
    char id[WR_ID_LEN + 1], level[16], json[64];
    int sock = -1;
    pid_t job = 0, engine = live_engine(&sock, true);
    create_with_note(sock, id, "kept");
    for (int round = 0; round < 3; round++) {
        CHECK_INT(pause_to(sock, id, "hibernated"), 0);
        snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
        peer_send(sock, WR_ACTION_RESUME, 1, json);
        for (int i = 0; i < 4000 && (job = job_of(engine, "wr-restore")) == 0; i++)
            usleep(1000);
        CHECK(job > 1);
        usleep((useconds_t)(round * 10000)); /* CRIU takes some 40 ms */
        CHECK(kill(engine, SIGKILL) == 0);
        (void)kill(-job, SIGKILL);
        CHECK(waitpid(engine, NULL, 0) == engine);
        close(sock);
        engine = live_engine(&sock, true);
        level_of(sock, id, level);
        if (!wr_streq(level, "running")) {
            CHECK_STR(level, "hibernated");
            CHECK_INT(live_processes(id), 0);
            CHECK_INT(ask(sock, WR_ACTION_RESUME, id, ""), 0);
        }
        check_file(sock, id, "/run/note", "kept");
        check_file(sock, id, "/root/note", "kept");
    }
    shut_down(sock, engine);
}

TEST(a_restore_that_is_cut_off)
{
    live_run(check_killed_restores);
}

/* A KILL that comes while something is under way: both are answered, and nothing is left. */
static void check_kill_requests(void)
{
    static const char *const rests[] = {"\"level\":\"hibernated\"",
                                        "\"level\":\"hibernated\",\"memory\":false",
                                        "\"snapshot\":\"snapsnapsnapsnapsnap\"", ""};
    static const unsigned kinds[] = {WR_ACTION_PAUSE, WR_ACTION_PAUSE, WR_ACTION_SNAPSHOT,
                                     WR_ACTION_RESUME};
    char id[WR_ID_LEN + 1], json[128];
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    srand((unsigned)getpid());
    for (size_t round = 0; round < 12; round++) {
        const size_t i = round % WR_ARRAY_SIZE(kinds);
        struct peer_reply reply;
        unsigned answers = 0;
        live_create(sock, id);
        if (kinds[i] == WR_ACTION_RESUME)
            CHECK_INT(pause_to(sock, id, "hibernated"), 0);
        snprintf(json, sizeof(json), "{\"id\":\"%s\"%s%s}", id, *rests[i] ? "," : "", rests[i]);
        peer_send(sock, kinds[i], 1, json);
        usleep((useconds_t)(rand() % 60000));
        snprintf(json, sizeof(json), "{\"id\":\"%s\"}", id);
        peer_send(sock, WR_ACTION_KILL, 2, json);
        while (answers < 2) {
            peer_recv(sock, &reply);
            answers += !(reply.header.kind & WR_ACTION_EVENT);
            CHECK(reply.header.sequence != 2 || reply.header.flags == 0);
        }
        check_level(sock, id, "");
        CHECK_INT(live_processes(id), 0);
        if (saved_count() > 0)
            CHECK_INT(peer_code(sock, WR_ACTION_SNAPSHOT_REMOVE,
                                "{\"snapshot\":\"snapsnapsnapsnapsnap\"}"),
                      0);
        CHECK_INT(saved_count(), 0);
    }
    shut_down(sock, engine);
}

TEST(a_kill_in_between)
{
    live_run(check_kill_requests);
}

static uint64_t free_bytes(void)
{
    struct statvfs st;
    char path[128];
    snprintf(path, sizeof(path), "%s/volume", live_opts.data_dir);
    CHECK(statvfs(path, &st) == 0);
    return (uint64_t)st.f_bavail * st.f_frsize;
}

/* The volume has room for something, but not for the image: it is full in the middle of a dump. */
static void check_full_disk(void)
{
    static char text[16 * 1024 * 1024];
    char id[WR_ID_LEN + 1], path[32];
    int sock = -1;
    live_opts.volume_size_bytes = 512 * WR_MIB;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "kept");
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 6; i++) {
        snprintf(path, sizeof(path), "%s/big%d", i % 2 ? "/run" : "/dev/shm", i);
        CHECK(live_http_put(sock, id, path, text));
    }
    for (int i = 0; free_bytes() > 90 * WR_MIB; i++) {
        text[free_bytes() > 150 * WR_MIB ? sizeof(text) - 1 : WR_MIB] = '\0';
        snprintf(path, sizeof(path), "/root/big%d", i);
        CHECK(i < 200 && live_http_put(sock, id, path, text));
        sync();
    }
    for (int round = 0; round < 2; round++) {
        CHECK_INT(pause_to(sock, id, "hibernated"), WR_E_RESOURCE_EXHAUSTED);
        check_level(sock, id, "running");
        check_file(sock, id, "/run/note", "kept");
        CHECK_INT(ask(sock, WR_ACTION_SNAPSHOT, id, "\"snapshot\":\"snapsnapsnapsnapsnap\""),
                  WR_E_RESOURCE_EXHAUSTED);
        check_level(sock, id, "running");
        check_file(sock, id, "/run/note", "kept");
    }
    shut_down(sock, engine);
}

TEST(a_full_disk_loses_nothing)
{
    live_run(check_full_disk);
}

/* Without its template a hibernated sandbox has everything that it needs. */
static void check_removed_template(void)
{
    char id[WR_ID_LEN + 1], path[128];
    struct stat st;
    int data = -1, sock = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "kept");
    CHECK_INT(pause_to(sock, id, "hibernated"), 0);
    CHECK_INT(wr_data_dir_open(live_opts.data_dir, &data, &err), 0);
    CHECK_INT(wr_template_remove(data, LIVE_TEMPLATE, &err), 0);
    close(data);
    shut_down(sock, engine);
    snprintf(path, sizeof(path), "%s/layers/" LIVE_LAYER, live_opts.data_dir);
    engine = live_engine(&sock, true);
    CHECK(stat(path, &st) == 0);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, id, ""), 0);
    check_file(sock, id, "/run/note", "kept");
    CHECK_INT(ask(sock, WR_ACTION_KILL, id, ""), 0);
    shut_down(sock, engine);
    engine = live_engine(&sock, true);
    CHECK(stat(path, &st) < 0 && errno == ENOENT);
    shut_down(sock, engine);
}

TEST(a_removed_template_is_not_missed)
{
    live_run(check_removed_template);
}

static void check_damaged_image(void)
{
    char id[WR_ID_LEN + 1], path[160];
    int sock = -1;
    pid_t engine = live_engine(&sock, true);
    create_with_note(sock, id, "kept");
    CHECK_INT(pause_to(sock, id, "hibernated"), 0);
    snprintf(path, sizeof(path), "%s/volume/snapshots/%s/image/inventory.img", live_opts.data_dir,
             id);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    CHECK(fd >= 0 && pwrite(fd, "damage", 6, 8) == 6);
    close(fd);
    CHECK_INT(ask(sock, WR_ACTION_RESUME, id, ""), WR_E_DATA_LOSS);
    check_level(sock, id, "hibernated");
    CHECK_INT(ask(sock, WR_ACTION_RESUME, id, "\"memory\":false"), 0);
    check_file(sock, id, "/root/note", "kept");
    shut_down(sock, engine);
}

TEST(a_damaged_image_is_refused)
{
    live_run(check_damaged_image);
}
