/* The command lines and what comes of them, with a shell script in place of CRIU. */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/str.h"
#include "engine/job.h"
#include "engine/snapshot/criu.h"
#include "engine/snapshot/criu_tracers.h"
#include "test.h"

static struct wr_error err;
static char top[] = "/tmp/test_criu.XXXXXX";
static struct wr_criu criu = {.version = "4.2.1-warren7"};
static int top_fd, image_fd, work_fd, netns_fd;

/* `body` has the arguments, one in a line, in the file "args" of the working directory. */
static void set_up(const char *body)
{
    wr_auto_buf script = WR_BUF(4096);

    NEEDS_ROOT();
    CHECK(mkdtemp(top));
    top_fd = open(top, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(top_fd >= 0 && mkdirat(top_fd, "image", 0711) == 0 && mkdirat(top_fd, "work", 0711) == 0);
    image_fd = openat(top_fd, "image", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    work_fd = openat(top_fd, "work", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    netns_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    CHECK(image_fd >= 0 && work_fd >= 0 && netns_fd >= 0);
    CHECK_INT(
        wr_buf_printf(&script, "#!/bin/sh\ncd %s\nprintf '%%s\\n' \"$@\" >args\n%s\n", top, body),
        0);
    CHECK_INT(wr_file_replace(top_fd, "criu", wr_buf_ptr(&script), script.len, 0755, WR_VOLATILE),
              0);
    CHECK(wr_strformat(criu.path, sizeof criu.path, "%s/criu", top));
}

static void clean_up(void)
{
    CHECK_INT(wr_remove_tree(AT_FDCWD, top), 0);
}

static const char *text_of(const char *name)
{
    static struct wr_buf text = WR_BUF(8192);

    wr_buf_clear(&text);
    CHECK_INT(wr_file_read(top_fd, name, &text), 0);
    return wr_buf_cstr(&text);
}

/* Whether these lines are there, one behind the other. */
static bool has(const char *text, const char *lines)
{
    for (const char *at = strstr(text, lines); at; at = strstr(at + 1, lines))
        if ((at == text || at[-1] == '\n') && at[strlen(lines)] == '\n')
            return true;
    return false;
}

static int dump(const char *cgroup, const struct wr_criu_mount *mounts, size_t count,
                uint64_t timeout_ms)
{
    const struct wr_criu_dump request = {.pid = getpid(),
                                         .netns_fd = netns_fd,
                                         .image_dirfd = image_fd,
                                         .freeze_cgroup = cgroup,
                                         .mounts = mounts,
                                         .mount_count = count,
                                         .timeout_ms = timeout_ms};
    return wr_criu_dump(&criu, &request, &err);
}

static int looks;
static pid_t first; /* 0: not yet */
static bool dies;

static int on_hold(void *data, struct wr_error *error)
{
    CHECK(faccessat(top_fd, "asked", F_OK, 0) == 0 && faccessat(top_fd, "on", F_OK, 0) < 0);
    ++*(int *)data;
    return *(int *)data > 1 ? wr_fail(error, WR_E_ABORTED, 0, "stay") : 0;
}

/* It restores a process as soon as it has "begun". */
static pid_t on_early(void *data)
{
    (void)data;
    CHECK(first == 0);
    looks++;
    if (faccessat(top_fd, "begun", F_OK, 0) < 0)
        return 0;
    first = fork();
    if (first == 0)
        _exit(dies ? 0 : pause());
    return first;
}

static int held; /* how often; the second time it is refused */
static bool holds;

static int restore(const struct wr_criu_mount *mounts, size_t count, pid_t *ret_pid)
{
    const struct wr_criu_restore request = {.image_dirfd = image_fd,
                                            .work_dirfd = work_fd,
                                            .root = "/mnt/root",
                                            .netns_fd = netns_fd,
                                            .mounts = mounts,
                                            .mount_count = count,
                                            .hold = holds ? on_hold : NULL,
                                            .early = holds ? on_early : NULL,
                                            .hold_data = &held,
                                            .timeout_ms = 10000};
    return wr_criu_restore(&criu, &request, ret_pid, &err);
}

TEST(a_dump)
{
    const struct wr_criu_mount mounts[] = {{.inside = "/data, [x]", .name = "vol0"},
                                           {.inside = "/b", .name = "vol1"}};
    char image[40];

    set_up("env | sort >env; readlink /proc/$$/fd/0 >null; umask >umask");
    (void)umask(077);
    CHECK_INT(wr_file_replace(top_fd, "cgroup.threads", "", 0, 0644, WR_VOLATILE), 0);
    CHECK_INT(dump(top, mounts, 2, 10000), 0);
    const char *args = text_of("args");
    CHECK(wr_strformat(image, sizeof image, "dump\n-t\n%d\n-D\n/proc/self/fd/%d", getpid(),
                       image_fd));
    CHECK(wr_starts_with(args, image));
    CHECK(has(args, "--leave-running") && has(args, "--no-default-config"));
    CHECK(has(args, "--network-lock\nskip") && has(args, "--tcp-close") &&
          has(args, "--link-remap"));
    CHECK(has(args, "--manage-cgroups=ignore") && has(args, "-v1") && !has(args, "-o"));
    CHECK(has(args, "--external\nmnt[/data, [x]]:vol0\n--external\nmnt[/b]:vol1"));
    CHECK(strstr(args, "--freeze-cgroup\n/tmp/test_criu."));
    const char *env = text_of("env");
    CHECK(has(env, "LC_ALL=C") && strstr(env, "PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"));
    CHECK(!strstr(env, "HOME=") && !strstr(env, "CRIU_KDAT_DIR"));
    CHECK_STR(text_of("null"), "/dev/null\n");
    CHECK_STR(text_of("umask"), "0022\n"); /* the sandbox's root reads the image */
    clean_up();
}

TEST(what_it_knows_of_the_kernel_has_a_place)
{
    set_up("env >env");
    CHECK_INT(wr_file_replace(top_fd, "cgroup.threads", "", 0, 0644, WR_VOLATILE), 0);
    CHECK(wr_strformat(criu.facts, sizeof criu.facts, "%s/facts", top));
    CHECK_INT(dump(top, NULL, 0, 10000), 0);
    criu.facts[0] = '\0';
    CHECK(strstr(text_of("env"), "CRIU_KDAT_DIR=/tmp/test_criu."));
    CHECK(strstr(text_of("env"), "/facts\n"));
    clean_up();
}

TEST(memory_that_is_left_out)
{
    const struct wr_memory_file memory[] = {{.key = "file[0:74725]"}, {.key = "file[1f:9]"}};
    char expected[120];
    pid_t pid = -1;

    set_up("ls -l /proc/$$/fd | sed -n 's,.* \\([0-9]*\\) -> /dev/zero$,\\1,p' | sort -n >zero; "
           "printf 815 >work/pid");
    const int fds[] = {open("/dev/zero", O_RDONLY | O_CLOEXEC),
                       open("/dev/zero", O_RDONLY | O_CLOEXEC)};
    struct wr_criu_dump dumped = {.pid = getpid(),
                                  .netns_fd = netns_fd,
                                  .image_dirfd = image_fd,
                                  .memory = memory,
                                  .memory_count = 2,
                                  .timeout_ms = 10000};
    CHECK_INT(wr_criu_dump(&criu, &dumped, &err), 0);
    CHECK(has(text_of("args"), "--external\nfile[0:74725]\n--external\nfile[1f:9]"));
    CHECK_STR(text_of("zero"), "");
    struct wr_criu_restore restored = {.image_dirfd = image_fd,
                                       .work_dirfd = work_fd,
                                       .root = "/mnt/root",
                                       .netns_fd = netns_fd,
                                       .memory = memory,
                                       .memory_fds = fds,
                                       .memory_count = 2,
                                       .timeout_ms = 10000};
    CHECK_INT(wr_criu_restore(&criu, &restored, &pid, &err), 0);
    CHECK(wr_strformat(expected, sizeof expected,
                       "--inherit-fd\nfd[%d]:file[0:74725]\n--inherit-fd\nfd[%d]:file[1f:9]",
                       fds[0], fds[1]));
    CHECK(has(text_of("args"), expected));
    CHECK(wr_strformat(expected, sizeof expected, "%d\n%d\n", fds[0], fds[1]));
    CHECK_STR(text_of("zero"), expected);
    dumped.memory_count = restored.memory_count = WR_MEMORY_MAX_FILES + 1;
    CHECK_INT(wr_criu_dump(&criu, &dumped, &err), -WR_E_INTERNAL);
    CHECK_INT(wr_criu_restore(&criu, &restored, &pid, &err), -WR_E_INTERNAL);
    clean_up();
}

TEST(it_has_the_image_and_nothing_else)
{
    char expected[64];

    set_up("for i in /proc/$$/fd/*; do case $(readlink $i) in */image | /tmp/test_criu*/criu | "
           "/memfd:* | /dev/null) ;; *) readlink $i >>strange ;; esac; done; : >>strange; "
           "readlink /proc/self/fd/$(sed -n '5s,.*/,,p' args) >image.name");
    CHECK(fcntl(STDIN_FILENO, F_DUPFD, 100) >= 100); /* not close-on-exec */
    CHECK_INT(dump(NULL, NULL, 0, 10000), 0);
    CHECK_STR(text_of("strange"), "");
    CHECK(wr_strformat(expected, sizeof expected, "%s/image\n", top));
    CHECK_STR(text_of("image.name"), expected);
    CHECK(!strstr(text_of("args"), "--freeze-cgroup"));
    clean_up();
}

TEST(a_dump_that_fails_is_explained_by_its_log)
{
    set_up("echo \"Error (criu/x.c:1): bfd: No space left on device\" >&2; exit 1");
    CHECK_INT(dump(NULL, NULL, 0, 10000), -WR_E_RESOURCE_EXHAUSTED);
    clean_up();
}

TEST(without_a_log_what_it_printed_counts)
{
    set_up("echo 'criu: invalid option' >&2; exit 1");
    CHECK_INT(dump(NULL, NULL, 0, 10000), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "criu says: criu: invalid option"));
    clean_up();
}

TEST(a_program_that_is_not_there)
{
    set_up("");
    CHECK_INT(unlinkat(top_fd, "criu", 0), 0);
    CHECK_INT(dump(NULL, NULL, 0, 10000), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "start /tmp/test_criu."));
    clean_up();
}

TEST(a_killed_one)
{
    set_up("kill -9 $$");
    CHECK_INT(dump(NULL, NULL, 0, 10000), -WR_E_INTERNAL);
    clean_up();
}

/* Before it has a handler CRIU has touched nothing yet. */
TEST(at_the_end_of_its_time_it_is_asked_to_give_up)
{
    set_up("exec sleep 100");
    CHECK_INT(dump(NULL, NULL, 0, 20), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "ended after 20 ms") && !strstr(err.msg, "force"));
    clean_up();
}

TEST(one_that_finishes_late_has_finished)
{
    set_up("trap 'echo asked >asked; exit 0' ALRM; : >ready; while :; do sleep 0.01; done");
    CHECK_INT(dump(NULL, NULL, 0, 300), 0);
    CHECK_STR(text_of("asked"), "asked\n");
    clean_up();
}

static int dump_in_a_job(const void *arg, void *result, struct wr_error *error)
{
    const struct wr_criu_dump *request = arg;

    (void)result;
    return wr_criu_dump(&criu, request, error);
}

static void on_done(void *data, const void *result, const struct wr_error *error)
{
    CHECK(!result && error);
    *(bool *)data = true;
}

TEST(it_has_the_lock_of_a_job_that_was_killed)
{
    struct wr_criu_dump request = {.pid = getpid(), .timeout_ms = 60000};
    bool done = false;
    char job_pid[16];
    struct wr_job *job = NULL;
    struct wr_loop *loop = NULL;

    set_up("echo $PPID >begun; read line <go");
    CHECK_INT(mkfifoat(top_fd, "begun", 0600) | mkfifoat(top_fd, "go", 0600), 0);
    request.netns_fd = netns_fd;
    request.image_dirfd = image_fd;
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_job_lock_fd(), -1);
    const struct wr_job_spec spec = {.run = dump_in_a_job,
                                     .arg = &request,
                                     .fds = (const int[]){netns_fd, image_fd},
                                     .fd_count = 2,
                                     .lock_fd = top_fd,
                                     .name = "job-test",
                                     .done = on_done,
                                     .data = &done};
    CHECK_INT(wr_job_start(loop, &spec, &job, &err), 0);
    CHECK(wr_file_read_line(top_fd, "begun", job_pid, sizeof job_pid) > 0);
    CHECK_INT(kill((pid_t)strtol(job_pid, NULL, 10), SIGKILL), 0);
    while (!done)
        CHECK_INT(wr_loop_step(loop, 10000, &err), 0);
    CHECK_INT(wr_job_wait(top_fd, 0, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_file_write_str(top_fd, "go", "on\n"), 0);
    CHECK_INT(wr_job_wait(top_fd, 10000, &err), 0);
    loop = wr_loop_free(loop);
    clean_up();
}

TEST(mounts_that_criu_would_misread_are_refused)
{
    const struct wr_criu_mount mounts[WR_CRIU_MAX_MOUNTS + 1] = {
        {.inside = "/a]:b", .name = "vol0", .host = "/x"}};
    pid_t pid = -1;

    set_up("");
    CHECK_INT(dump(NULL, mounts, 1, 10000), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "/a]:b"));
    CHECK_INT(restore(mounts, 1, &pid), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(dump(NULL, mounts + 1, WR_CRIU_MAX_MOUNTS + 1, 10000), -WR_E_INTERNAL);
    CHECK_INT(faccessat(top_fd, "args", F_OK, 0), -1);
    clean_up();
}

TEST(a_restore)
{
    const struct wr_criu_mount mounts[] = {{.inside = "/b", .name = "vol1", .host = "/host/b"}};
    char expected[120];
    pid_t pid = -1;

    set_up("printf 815 >work/pid");
    CHECK_INT(restore(mounts, 1, &pid), 0);
    CHECK_INT(pid, 815);
    const char *args = text_of("args");
    CHECK(wr_strformat(expected, sizeof expected,
                       "restore\n-D\n/proc/self/fd/%d\n-W\n/proc/self/fd/%d\n--root\n/mnt/root",
                       image_fd, work_fd));
    CHECK(wr_starts_with(args, expected));
    CHECK(has(args, "--pidfile\npid") && has(args, "-d") && has(args, "--tcp-close"));
    CHECK(has(args, "--external\nmnt[vol1]:/host/b") && !strstr(args, "--status-fd"));
    clean_up();
}

#define ASK                                                                              \
    "exec bash -c 'fd=$(sed -n \"/--status-fd/{n;p}\" args); : >asked; printf x >&$fd; " \
    "read -r -d x -n 1 -u $fd answer || exit 1; : >on; echo 815 >work/pid'"

TEST(it_goes_on_when_it_may)
{
    pid_t pid = -1;

    holds = true;
    set_up(ASK);
    CHECK_INT(restore(NULL, 0, &pid), 0);
    CHECK(pid == 815 && held == 1 && faccessat(top_fd, "on", F_OK, 0) == 0);
    clean_up();
}

/* Again and again until there is what was looked for, and not after that. */
TEST(it_is_looked_at_while_it_works)
{
    pid_t pid = -1;

    holds = true;
    set_up("sleep 0.1; : >begun; sleep 0.1; " ASK);
    CHECK_INT(restore(NULL, 0, &pid), 0);
    CHECK(pid == 815 && held == 1 && looks > 1 && first > 0);
    CHECK_INT(kill(first, SIGKILL), 0);
    CHECK_INT(waitpid(first, NULL, 0), first);
    clean_up();
}

/* Whoever kills what it restores may not know of it, and it would wait for what has been killed. */
TEST(it_ends_with_what_it_restores)
{
    pid_t pid = -1;

    holds = true;
    dies = true;
    set_up(": >begun; exec sleep 60");
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_INTERNAL);
    CHECK(held == 0 && first > 0);
    CHECK_INT(waitpid(first, NULL, 0), first);
    clean_up();
}

TEST(it_may_not_go_on)
{
    pid_t pid = -1;

    holds = true;
    held = 1;
    set_up(ASK);
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_ABORTED);
    CHECK(pid == -1 && held == 2 && faccessat(top_fd, "on", F_OK, 0) < 0);
    clean_up();
}

/* It may wait for processes that wait for it. */
TEST(it_may_not_go_on_and_does_not_end)
{
    pid_t pid = -1;

    holds = true;
    held = 1;
    set_up("exec bash -c 'fd=$(sed -n \"/--status-fd/{n;p}\" args); : >asked; printf x >&$fd; "
           "read -r -d x -n 1 -u $fd answer; sleep 2; : >late'");
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_ABORTED);
    CHECK(held == 2 && faccessat(top_fd, "late", F_OK, 0) < 0);
    clean_up();
}

TEST(it_has_to_ask)
{
    pid_t pid = -1;

    holds = true;
    set_up("echo 815 >work/pid");
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "did not wait") && held == 0);
    clean_up();
    CHECK(wr_strcopy(top, sizeof top, "/tmp/test_criu.XXXXXX"));
    set_up("echo 'Error (criu/files-reg.c:1): File x has bad size 1 (expect 2)' "
           ">work/restore.log; exit 1");
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_DATA_LOSS);
    clean_up();
}

TEST(a_restore_that_fails)
{
    pid_t pid = -1;

    set_up("echo 'Error (criu/files-reg.c:1): File x has bad size 1 (expect 2)' "
           ">work/restore.log; exit 1");
    CHECK_INT(restore(NULL, 0, &pid), -WR_E_DATA_LOSS);
    CHECK_INT(pid, -1);
    clean_up();
}

TEST(a_restore_without_a_process_number)
{
    static const char *const bodies[] = {"", "echo x >work/pid", "echo 0 >work/pid",
                                         "echo 99999999999 >work/pid"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bodies); i++) {
        pid_t pid = -1;
        CHECK(wr_strcopy(top, sizeof top, "/tmp/test_criu.XXXXXX"));
        set_up(bodies[i]);
        CHECK_INT(restore(NULL, 0, &pid), -WR_E_INTERNAL);
        CHECK_INT(pid, -1);
        clean_up();
    }
}

TEST(traced_processes_are_seen_at_once)
{
    char pid_text[64];

    set_up("");
    const pid_t pid = fork();
    if (pid == 0) {
        (void)!ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        _exit(0);
    }
    CHECK_INT(waitpid(pid, NULL, 0), pid); /* it has stopped, and is ours */
    CHECK(wr_strformat(pid_text, sizeof pid_text, "%d\n4194305\n%d\n", getpid(), pid));
    CHECK_INT(
        wr_file_replace(top_fd, "cgroup.threads", pid_text, strlen(pid_text), 0644, WR_VOLATILE),
        0);
    CHECK_INT(wr_criu_check_tracers(top, &err), -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "traced"));
    CHECK_INT(dump(top, NULL, 0, 10000), -WR_E_FAILED_PRECONDITION);
    CHECK_INT(kill(pid, SIGKILL), 0);
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK_INT(wr_criu_check_tracers(top, &err), 0);
    CHECK_INT(unlinkat(top_fd, "cgroup.threads", 0), 0);
    CHECK_INT(wr_criu_check_tracers(top, &err), -WR_E_INTERNAL);
    clean_up();
}

TEST(links_of_a_dump_are_removed)
{
    wr_auto_buf list = WR_BUF(4096);

    set_up("");
    CHECK_INT(wr_criu_drop_links(image_fd, getpid(), &err), 0); /* there is no list */
    CHECK_INT(wr_file_replace(top_fd, "link_remap.1", "", 0, 0644, WR_VOLATILE), 0);
    CHECK_INT(wr_file_replace(work_fd, "link_remap.2", "", 0, 0644, WR_VOLATILE), 0);
    CHECK_INT(symlinkat("work", top_fd, "link"), 0);
    CHECK_INT(wr_buf_printf(&list, ".%s/link_remap.1%c.%s/link/link_remap.2%c./gone/link_remap.3%c",
                            top, 0, top, 0, 0),
              0);
    CHECK_INT(
        wr_file_replace(image_fd, "link-remaps", wr_buf_ptr(&list), list.len, 0600, WR_VOLATILE),
        0);
    CHECK_INT(wr_criu_drop_links(image_fd, getpid(), &err), 0);
    CHECK_INT(faccessat(top_fd, "link_remap.1", F_OK, 0), -1);
    CHECK_INT(faccessat(work_fd, "link_remap.2", F_OK, 0),
              0); /* behind a link: not what CRIU made */
    clean_up();
}

TEST(a_list_of_links_cannot_name_other_files)
{
    static const char *const lists[] = {"./tmp/passwd", "link_remap.1", "./tmp/", ""};

    set_up("");
    for (size_t i = 0; i < WR_ARRAY_SIZE(lists); i++) {
        CHECK_INT(wr_file_replace(image_fd, "link-remaps", lists[i], strlen(lists[i]) + 1, 0600,
                                  WR_VOLATILE),
                  0);
        CHECK_INT(wr_criu_drop_links(image_fd, getpid(), &err), -WR_E_DATA_LOSS);
    }
    clean_up();
}
