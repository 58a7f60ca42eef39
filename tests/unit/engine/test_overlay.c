#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "engine/isolate/overlay.h"
#include "engine/isolate/userns.h"
#include "engine/storage/volume.h"
#include "test.h"

#define BASE 0x50050000u

static char top[64];
static int top_fd = -1, userns_fd = -1;
static struct wr_error err;

static int open_dir(const char *path)
{
    int fd = openat(top_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static void write_file(const char *path, const char *text)
{
    CHECK_INT(wr_file_replace(top_fd, path, text, strlen(text), 0644, WR_VOLATILE), 0);
}

/* Mounts of our own, two layers, an upper directory, a data directory's worth of room for the
 * volume. A parent cleans up. */
static void with_layers(void (*test)(void))
{
    NEEDS_ROOT();
    CHECK_INT(unshare(CLONE_NEWNS), 0);
    CHECK_INT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
    snprintf(top, sizeof(top), "/tmp/test_overlay.XXXXXX");
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    static const char *const dirs[] = {"high", "low", "low/dir", "up",    "up/u",
                                       "up/w", "up2", "up2/u",   "up2/w", "run"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(dirs); i++)
        CHECK(mkdirat(top_fd, dirs[i], 0755) == 0);
    write_file("high/both", "high");
    write_file("low/both", "low");
    write_file("low/only", "only");
    write_file("low/user", "user");
    CHECK(fchownat(top_fd, "low/user", 1000, 1000, 0) == 0);
    CHECK_INT(wr_userns_new(BASE, 65536, &userns_fd, &err), 0);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        test();
        fflush(stdout);
        _exit(0);
    }
    int status = -1;
    char path[96];
    CHECK(waitpid(pid, &status, 0) == pid);
    snprintf(path, sizeof(path), "%s/run/stage", top);
    while (umount2(path, MNT_DETACH) == 0)
        continue;
    (void)!wr_volume_unmount(top, &err);
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
    CHECK_INT(status, 0);
}

static struct wr_overlay_stage open_stage(void)
{
    struct wr_overlay_stage stage = {.dirfd = -1};
    char path[96];
    snprintf(path, sizeof(path), "%s/run", top);
    CHECK_INT(wr_overlay_stage_open(path, &stage, &err), 0);
    return stage;
}

static size_t mounts_below(const char *word)
{
    FILE *f = fopen("/proc/self/mountinfo", "re");
    char line[4096];
    size_t count = 0;
    CHECK(f);
    while (fgets(line, sizeof(line), f))
        count += strstr(line, top) && strstr(line, word);
    fclose(f);
    return count;
}

static int mount_overlay(struct wr_overlay_stage *stage, const int *layers, size_t count,
                         int upper_fd)
{
    const struct wr_overlay_opts opts = {.layer_fds = layers,
                                         .layer_count = count,
                                         .upper_parent_fd = upper_fd,
                                         .userns_fd = userns_fd,
                                         .host_base = BASE};
    int fd = -1;
    if (wr_overlay_mount(stage, &opts, &fd, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    return fd;
}

static void check_owner(int dirfd, const char *path, uid_t uid)
{
    struct stat st;
    CHECK(fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0);
    CHECK_INT(st.st_uid, uid);
    CHECK_INT(st.st_gid, uid);
}

/* As root of the sandbox, as far as files are concerned. */
static void become_slot_root(void)
{
    setfsgid(BASE);
    setfsuid(BASE);
}

static void check_overlay(bool staged)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct before[2], after[2];
    struct wr_overlay_stage stage = open_stage();
    char text[16];
    const int layers[] = {open_dir("high"), open_dir("low")};
    int death_signal = 0;
    CHECK(prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0) == 0);
    stage.needed = staged;
    CHECK(syscall(SYS_capget, &header, before) == 0);
    int root = mount_overlay(&stage, layers, 2, open_dir("up"));
    CHECK(syscall(SYS_capget, &header, after) == 0);
    CHECK(memcmp(before, after, sizeof(before)) == 0);
    CHECK_INT(setfsuid((uid_t)-1), 0);
    CHECK_INT(setfsgid((gid_t)-1), 0);
    CHECK(prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0) == 0 && death_signal == SIGUSR1);
    CHECK_INT(mounts_below("stage"), 1); /* the tmpfs; no layer stays attached */
    if (staged)
        CHECK(getcwd(text, sizeof(text)) && strcmp(text, "/") == 0);
    CHECK(wr_file_read_line(root, "both", text, sizeof(text)) > 0);
    CHECK_STR(text, "high");
    check_owner(root, "only", BASE);
    check_owner(root, "user", BASE + 1000);
    become_slot_root();
    CHECK_INT(wr_file_replace(root, "new", "x", 1, 0600, WR_VOLATILE), 0);
    CHECK_INT(wr_file_write_str(root, "only", "changed"), 0);
    CHECK(renameat(root, "dir", root, "renamed") == 0);
    CHECK(unlinkat(root, "both", 0) == 0);
    CHECK(faccessat(root, "both", F_OK, 0) < 0 && errno == ENOENT);
    setfsuid(0);
    setfsgid(0);
    check_owner(top_fd, "up/u/new", 0); /* on disk the ids of inside */
    CHECK(wr_file_read_line(top_fd, "low/only", text, sizeof(text)) > 0);
    CHECK_STR(text, "only");
    CHECK(faccessat(top_fd, "low/both", F_OK, 0) == 0);
    /* An id outside of the slot cannot write at all. */
    CHECK(openat(root, "host", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) < 0 && errno == EOVERFLOW);
}

static void check_by_descriptor(void)
{
    check_overlay(false);
}

static void check_staged(void)
{
    check_overlay(true);
}

TEST(by_descriptor)
{
    with_layers(check_by_descriptor);
}

TEST(staged)
{
    with_layers(check_staged);
}

static void check_counts(void)
{
    int layers[WR_OVERLAY_MAX_LAYERS + 1], fd = -7;
    char name[16];
    for (size_t i = 0; i < WR_ARRAY_SIZE(layers); i++) {
        snprintf(name, sizeof(name), "layer%zu", i);
        CHECK(mkdirat(top_fd, name, 0755) == 0);
        layers[i] = open_dir(name);
    }
    struct wr_overlay_stage stage = open_stage();
    struct wr_overlay_opts opts = {.layer_fds = layers,
                                   .upper_parent_fd = open_dir("up"),
                                   .userns_fd = userns_fd,
                                   .host_base = BASE};
    CHECK_INT(wr_overlay_mount(&stage, &opts, &fd, &err), -WR_E_INVALID_ARGUMENT);
    opts.layer_count = WR_OVERLAY_MAX_LAYERS + 1;
    CHECK_INT(wr_overlay_mount(&stage, &opts, &fd, &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(fd, -7);
    close(mount_overlay(&stage, layers, WR_OVERLAY_MAX_LAYERS, opts.upper_parent_fd));
    stage.needed = true;
    close(mount_overlay(&stage, layers, WR_OVERLAY_MAX_LAYERS, open_dir("up2")));
    /* A failure leaves neither mounts nor a changed mind. */
    CHECK_INT(wr_remove_tree(top_fd, "up/w"), 0);
    for (int i = 0; i < 2; i++) {
        stage.needed = i;
        opts.layer_count = 2;
        CHECK(wr_overlay_mount(&stage, &opts, &fd, &err) < 0);
        CHECK_INT(fd, -7);
        CHECK_INT(stage.needed, i);
        CHECK_INT(mounts_below("stage"), 1);
        CHECK_INT(setfsuid((uid_t)-1), 0);
    }
}

TEST(number_of_layers_and_failures)
{
    with_layers(check_counts);
}

static void check_stage(void)
{
    char path[96];
    struct wr_overlay_stage first = open_stage();
    struct wr_overlay_stage second = open_stage(); /* of a killed engine */
    CHECK_INT(mounts_below("stage"), 1);
    close(first.dirfd);
    snprintf(path, sizeof(path), "%s/run", top);
    wr_overlay_stage_close(path, &second);
    CHECK_INT(second.dirfd, -1);
    CHECK_INT(mounts_below("stage"), 0);
}

TEST(stage_is_replaced_and_closed)
{
    with_layers(check_stage);
}

/* Whoever writes: the overlay itself has no CAP_SYS_RESOURCE, which would pass over the limit. */
static void check_quota(void)
{
    const struct wr_volume_opts opts = {
        .data_dirfd = top_fd, .data_dir = top, .size_bytes = 512 * WR_MIB};
    struct wr_overlay_stage stage = open_stage();
    struct wr_volume *volume = NULL;
    static char block[1 << 20];
    int upper = -1, written = 0;
    if (wr_volume_open(&opts, &volume, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    CHECK_INT(wr_volume_upper_new(volume, "a", 16 * WR_MIB, &upper, &err), 0);
    const int layer = open_dir("low");
    int root = mount_overlay(&stage, &layer, 1, upper);
    memset(block, 0x5a, sizeof(block));
    become_slot_root();
    int fd = openat(root, "big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    while (written < 64 && write(fd, block, sizeof(block)) == (ssize_t)sizeof(block))
        written++;
    CHECK(written >= 8 && written <= 16);
    close(fd);
    close(root);
    close(upper);
    wr_volume_free(volume);
}

TEST(disk_limit_holds)
{
    with_layers(check_quota);
}
