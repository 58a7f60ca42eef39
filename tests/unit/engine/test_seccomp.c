/* The program is run by a small interpreter for every call number, and once by the kernel. */
#include <asm/ioctls.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/btrfs.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "engine/isolate/seccomp.h"
#include "engine/isolate/seccomp_table.h"
#include "nest/privileges.h"
#include "test.h"

#define ALLOW  SECCOMP_RET_ALLOW
#define REFUSE (SECCOMP_RET_ERRNO | EPERM)
#define ABSENT (SECCOMP_RET_ERRNO | ENOSYS)
#define NOFAM  (SECCOMP_RET_ERRNO | EAFNOSUPPORT)
#define HIGH   ((uint64_t)0xabcdef01 << 32)

#if defined(__x86_64__)
#    define ARCH AUDIT_ARCH_X86_64
#else
#    define ARCH AUDIT_ARCH_AARCH64
#endif

static struct sock_filter program[BPF_MAXINSNS];
static size_t count;

static void compile_kind(enum wr_seccomp_kind kind)
{
    struct wr_error err;
    struct stat st;
    int fd = -1;
    CHECK_INT(wr_seccomp_compile(kind, &fd, &err), 0);
    CHECK(fstat(fd, &st) == 0 && st.st_size % (off_t)sizeof(program[0]) == 0);
    count = (size_t)st.st_size / sizeof(program[0]);
    CHECK(count > 20 && count < 300);
    CHECK_INT(pread(fd, program, sizeof(program), 0), st.st_size);
    close(fd);
}

static void compile(void)
{
    compile_kind(WR_SECCOMP_SANDBOX);
}

static uint32_t load(const struct seccomp_data *data, uint32_t offset)
{
    uint32_t value = 0;
    CHECK(offset % 4 == 0 && offset + 4 <= sizeof(*data));
    memcpy(&value, (const char *)data + offset, sizeof(value));
    return value;
}

/* The instructions that seccomp.c emits and no others. */
static uint32_t run(const struct seccomp_data *data)
{
    uint32_t a = 0;
    for (size_t pc = 0; pc < count; pc++) {
        const struct sock_filter *i = &program[pc];
        if (i->code == (BPF_RET | BPF_K))
            return i->k;
        if (i->code == (BPF_LD | BPF_W | BPF_ABS))
            a = load(data, i->k);
        else if (i->code == (BPF_ALU | BPF_AND | BPF_K))
            a &= i->k;
        else if (i->code == (BPF_JMP | BPF_JEQ | BPF_K))
            pc += a == i->k ? i->jt : i->jf;
        else if (i->code == (BPF_JMP | BPF_JGE | BPF_K))
            pc += a >= i->k ? i->jt : i->jf;
        else
            wr_test_fail(__FILE__, __LINE__, "instruction %#x at %zu", i->code, pc);
    }
    wr_test_fail(__FILE__, __LINE__, "the program has no end");
}

static uint32_t answer(long number, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    const struct seccomp_data data = {.nr = (int)number, .arch = ARCH, .args = {arg0, arg1, arg2}};
    return run(&data);
}

static bool is_in(const char *const *list, size_t len, const char *name)
{
    for (size_t i = 0; i < len; i++)
        if (wr_streq(list[i], name))
            return true;
    return false;
}

static bool depends_on_arguments(const char *name)
{
    static const char *const names[] = {"clone",   "ioctl",  "personality",
                                        "seccomp", "socket", "socketpair"};
    return is_in(names, WR_ARRAY_SIZE(names), name);
}

TEST(every_number)
{
    size_t allowed = 0, refused = 0;
    compile();
    for (int number = 0; number <= 600; number++) {
        char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
        uint32_t expected = ABSENT;
        if (name && depends_on_arguments(name)) {
            free(name);
            continue;
        }
        if (name && is_in(wr_seccomp_allowed, wr_seccomp_allowed_count, name))
            expected = ALLOW;
        else if (name && is_in(wr_seccomp_refused, wr_seccomp_refused_count, name))
            expected = REFUSE;
        uint32_t actual = answer(number, 0, 0, 0);
        if (actual != expected)
            wr_test_fail(__FILE__, __LINE__, "%d (%s): %#x instead of %#x", number,
                         name ? name : "?", actual, expected);
        allowed += expected == ALLOW;
        refused += expected == REFUSE;
        free(name);
    }
    CHECK(allowed > 200 && refused > 30);
}

/* Two calls, and nothing else. */
TEST(the_zygotes_is_the_sandboxes_and_two_calls)
{
    static uint32_t of_sandbox[601][2];
    compile();
    for (int number = 0; number <= 600; number++)
        for (int i = 0; i < 2; i++)
            of_sandbox[number][i] = answer(number, i ? CLONE_NEWUSER : 0, 0, 0);
    compile_kind(WR_SECCOMP_ZYGOTE);
    for (int number = 0; number <= 600; number++)
        for (int i = 0; i < 2; i++) {
            const bool more = number == SYS_setns || number == SYS_clone3;
            CHECK_INT(answer(number, i ? CLONE_NEWUSER : 0, 0, 0),
                      more ? ALLOW : of_sandbox[number][i]);
        }
    CHECK_INT(of_sandbox[SYS_setns][0], REFUSE);
    CHECK_INT(of_sandbox[SYS_clone3][0], ABSENT);
}

/* Written down once more, so that an entry in the wrong list is noticed. */
TEST(calls_that_must_not_pass)
{
    static const char *const never[] = {
        "mount",
        "umount2",
        "fsopen",
        "fsmount",
        "move_mount",
        "open_tree",
        "mount_setattr",
        "pivot_root",
        "setns",
        "unshare",
        "clone3",
        "bpf",
        "keyctl",
        "add_key",
        "request_key",
        "userfaultfd",
        "perf_event_open",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "kexec_load",
        "init_module",
        "finit_module",
        "delete_module",
        "reboot",
        "swapon",
        "swapoff",
        "syslog",
        "settimeofday",
        "open_by_handle_at",
        "iopl",
        "ioperm",
        "quotactl",
        "acct",
        "fanotify_init",
        "pidfd_getfd",
        "modify_ldt",
        "io_setup",
        "memfd_secret",
        "process_madvise",
        "sethostname",
        "kcmp",
    };
    compile();
    for (size_t i = 0; i < WR_ARRAY_SIZE(never); i++) {
        int number = seccomp_syscall_resolve_name(never[i]);
        if (number >= 0 && answer(number, 0, 0, 0) == ALLOW)
            wr_test_fail(__FILE__, __LINE__, "%s passes", never[i]);
    }
    CHECK_INT(answer(435, 0, 0, 0), ABSENT); /* clone3: libc goes on with clone */
    CHECK_INT(answer(425, 0, 0, 0), ABSENT); /* io_uring_setup */
}

TEST(lists_do_not_overlap)
{
    for (size_t i = 0; i < wr_seccomp_allowed_count; i++) {
        CHECK(!is_in(wr_seccomp_refused, wr_seccomp_refused_count, wr_seccomp_allowed[i]));
        CHECK(!depends_on_arguments(wr_seccomp_allowed[i]));
        CHECK(!is_in(wr_seccomp_allowed + i + 1, wr_seccomp_allowed_count - i - 1,
                     wr_seccomp_allowed[i]));
    }
}

TEST(foreign_and_strange_numbers)
{
    struct seccomp_data data = {.nr = SYS_getpid, .arch = AUDIT_ARCH_I386};
    compile();
    CHECK_INT(run(&data), ABSENT);
    data.arch = AUDIT_ARCH_ARM;
    CHECK_INT(run(&data), ABSENT);
    data.arch = ARCH;
    CHECK_INT(run(&data), ALLOW);
    for (int number = 0; number <= 600; number++)
        CHECK_INT(answer(number | 0x40000000, 0, 0, 0), ABSENT); /* x32 */
    CHECK_INT(answer(-1, 0, 0, 0), ABSENT);
    CHECK_INT(answer(INT32_MAX, 0, 0, 0), ABSENT);
    CHECK_INT(answer(INT32_MIN, 0, 0, 0), ABSENT);
}

TEST(clone_flags)
{
    static const uint64_t bad[] = {CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWIPC,
                                   CLONE_NEWUTS,  CLONE_NEWNET, CLONE_NEWCGROUP};
    compile();
    CHECK_INT(answer(SYS_clone, SIGCHLD, 0, 0), ALLOW);
    CHECK_INT(answer(SYS_clone, 0x3d0f00, 0, 0), ALLOW); /* a thread of glibc */
    CHECK_INT(answer(SYS_clone, HIGH | SIGCHLD, 0, 0),
              ALLOW); /* the kernel ignores the high half, too */
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK_INT(answer(SYS_clone, bad[i], 0, 0), REFUSE);
        CHECK_INT(answer(SYS_clone, HIGH | 0x3d0f00 | bad[i], 0, 0), REFUSE);
    }
}

TEST(ioctl_commands)
{
    compile();
    CHECK_INT(answer(SYS_ioctl, 0, TIOCSTI, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 0, HIGH | TIOCSTI, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, HIGH, TIOCLINUX, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 0, HIGH | TIOCLINUX, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, TIOCSTI, TCGETS, TIOCSTI), ALLOW);
    CHECK_INT(answer(SYS_ioctl, 0, TIOCGWINSZ, 0), ALLOW);
    /* Nothing of btrfs but what copying programs use everywhere. */
    CHECK_INT(answer(SYS_ioctl, 3, BTRFS_IOC_SUBVOL_CREATE, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 3, HIGH | BTRFS_IOC_SNAP_CREATE_V2, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 3, BTRFS_IOC_INO_LOOKUP_USER, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 3, BTRFS_IOC_QUOTA_CTL, 0), REFUSE);
    CHECK_INT(answer(SYS_ioctl, 3, FICLONE, 0), ALLOW);
    CHECK_INT(answer(SYS_ioctl, 3, FICLONERANGE, 0), ALLOW);
    CHECK_INT(answer(SYS_ioctl, 3, FIDEDUPERANGE, 0), ALLOW);
    CHECK_INT(answer(SYS_ioctl, 3, FS_IOC_GETFLAGS, 0), ALLOW);
}

TEST(socket_families)
{
    compile();
    CHECK_INT(answer(SYS_socket, AF_UNIX, SOCK_STREAM, 0), ALLOW);
    CHECK_INT(answer(SYS_socket, AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ALLOW);
    CHECK_INT(answer(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_NONBLOCK, 0), ALLOW);
    CHECK_INT(answer(SYS_socket, AF_INET, SOCK_RAW, 1),
              ALLOW); /* needs CAP_NET_RAW, which nobody inside has */
    CHECK_INT(answer(SYS_socket, AF_INET, SOCK_PACKET, 0), NOFAM);
    CHECK_INT(answer(SYS_socket, HIGH | AF_INET, HIGH | SOCK_PACKET | SOCK_CLOEXEC, 0), NOFAM);
    CHECK_INT(answer(SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), ALLOW);
    CHECK_INT(answer(SYS_socket, AF_NETLINK, SOCK_DGRAM, NETLINK_SOCK_DIAG), ALLOW);
    for (uint64_t protocol = 0; protocol < 64; protocol++)
        if (protocol != NETLINK_ROUTE && protocol != NETLINK_SOCK_DIAG)
            CHECK_INT(answer(SYS_socket, AF_NETLINK, SOCK_RAW, protocol), NOFAM);
    for (uint64_t family = 0; family < 64; family++) {
        bool good = family == AF_UNIX || family == AF_INET || family == AF_INET6;
        if (family != AF_NETLINK)
            CHECK_INT(answer(SYS_socket, family, SOCK_DGRAM, 0), good ? ALLOW : NOFAM);
        CHECK_INT(answer(SYS_socketpair, family, SOCK_DGRAM, 0), family == AF_UNIX ? ALLOW : NOFAM);
    }
}

TEST(filters_may_be_added_but_not_listened_to)
{
    compile();
    CHECK_INT(answer(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, 0), ALLOW);
    CHECK_INT(answer(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, 0), ALLOW);
    CHECK_INT(answer(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, 0),
              REFUSE);
    CHECK_INT(answer(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC, 0),
              REFUSE);
}

TEST(personalities)
{
    compile();
    CHECK_INT(answer(SYS_personality, PER_LINUX, 0, 0), ALLOW);
    CHECK_INT(answer(SYS_personality, ADDR_NO_RANDOMIZE, 0, 0), ALLOW);
    CHECK_INT(answer(SYS_personality, 0xffffffff, 0, 0), ALLOW);
    CHECK_INT(answer(SYS_personality, READ_IMPLIES_EXEC, 0, 0), REFUSE);
    CHECK_INT(answer(SYS_personality, PER_LINUX32, 0, 0), REFUSE);
    CHECK_INT(answer(SYS_personality, ADDR_NO_RANDOMIZE | MMAP_PAGE_ZERO, 0, 0), REFUSE);
}

static void check_errno(long result, int expected, const char *what)
{
    if (result >= 0 || errno != expected)
        wr_test_fail(__FILE__, __LINE__, "%s: %ld, errno %d instead of %d", what, result, errno,
                     expected);
}

TEST(the_kernel_takes_it)
{
    struct wr_error err;
    NEEDS_ROOT();
    compile();
    CHECK_INT(wr_seccomp_install(program, count, &err), 0);
    check_errno(syscall(SYS_unshare, CLONE_NEWNS), EPERM, "unshare");
    check_errno(syscall(SYS_mount, "tmpfs", "/tmp", "tmpfs", 0, NULL), EPERM, "mount");
    check_errno(syscall(425, 1, NULL), ENOSYS, "io_uring_setup");
    check_errno(syscall(435, NULL, 0), ENOSYS, "clone3");
    check_errno(syscall(SYS_clone, (long)CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0), EPERM,
                "clone(CLONE_NEWUSER)");
    check_errno(socket(AF_PACKET, SOCK_RAW, 0), EAFNOSUPPORT, "AF_PACKET");
    check_errno(socket(AF_ALG, SOCK_SEQPACKET, 0), EAFNOSUPPORT, "AF_ALG");
    check_errno(socket(AF_INET, SOCK_PACKET, 0), EAFNOSUPPORT, "SOCK_PACKET");
    check_errno(syscall(SYS_ioctl, 0, HIGH | TIOCSTI, "x"), EPERM, "TIOCSTI");
    check_errno(syscall(511), ENOSYS, "number 511");
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    CHECK(fd >= 0 && close(fd) == 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(getppid() > 0 ? 42 : 1);
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42);
}

#if defined(__x86_64__)
TEST(the_old_entry_of_32_bit_programs)
{
    struct wr_error err;
    NEEDS_ROOT();
    compile();
    pid_t pid = fork();
    if (pid == 0) {
        long result = 20; /* getpid there */
        if (wr_seccomp_install(program, count, &err) < 0)
            _exit(1);
        __asm__ volatile("int $0x80" : "+a"(result) : : "memory", "cc", "r8", "r9", "r10", "r11");
        _exit(result == -ENOSYS ? 42 : 2);
    }
    int status = 0;
    CHECK(waitpid(pid, &status, 0) == pid);
    /* A kernel without 32-bit support ends the process. */
    CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 42);
}
#endif
