#include "base/base.h"
#include "engine/snapshot/criu_log.h"
#include "test.h"

#define NOFILE \
    "Error (criu/rlimit.c:24): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted\n"
#define FAILED "Error (criu/cr-dump.c:1978): Dumping FAILED.\n"

struct example {
    const char *log;
    int code;
    const char *says;
};

static void check(enum wr_criu_action action, const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct wr_error err = {0};
        const int rc = wr_criu_explain(action, examples[i].log, &err);
        if (rc != -examples[i].code || err.code != examples[i].code ||
            !strstr(err.msg, examples[i].says))
            wr_test_fail(__FILE__, __LINE__, "example %zu: %d \"%s\"", i, rc, err.msg);
    }
}

/* As CRIU 4.2.1 wrote them. */
TEST(what_cannot_be_dumped)
{
    static const struct example examples[] = {
        {NOFILE "pie: 463: Error (criu/pie/parasite.c:588): send_fds failed (-22)\n"
                "pie: 463: Close the control socket for writing\n"
                "Error (criu/parasite-syscall.c:280): Can't retrieve FDs from socket\n" FAILED,
         WR_E_FAILED_PRECONDITION, "io_uring"},
        {"Error (criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon "
         "anon_inode:[userfaultfd])\n" FAILED,
         WR_E_FAILED_PRECONDITION, "userfaultfd"},
        {"Error (criu/files-ext.c:94): Can't dump file 3 of that type [600] (anon "
         "anon_inode:[something])\n" FAILED,
         WR_E_FAILED_PRECONDITION, "an open file of a kind"},
        {NOFILE "Error (criu/seize.c:335): zombie 25650 (comm ) found while seizing\n" FAILED,
         WR_E_FAILED_PRECONDITION, "traced"},
        {"Error (criu/namespaces.c:460): Can't dump nested user namespace for 12\n" FAILED,
         WR_E_FAILED_PRECONDITION, "user namespace"},
        {"Error (criu/namespaces.c:460): Can't dump nested uts namespace for 12\n" FAILED,
         WR_E_FAILED_PRECONDITION, "a namespace"},
        {"Error (criu/tty.c:2286): tty: ctty inheritance detected sid/pgrp 0 (ctty pid_real 1 pty "
         "pid_real 2)\n" FAILED,
         WR_E_FAILED_PRECONDITION, "terminal"},
        {NOFILE "Error (criu/page-xfer.c:263): page-xfer: Unable to spice data: No space left on "
                "device\n" FAILED,
         WR_E_RESOURCE_EXHAUSTED, "no space"},
        {"Error (criu/bfd.c:131): bfd: Error flushing image: Disk quota exceeded\n" FAILED,
         WR_E_RESOURCE_EXHAUSTED, "disk"},
        {"Error (criu/x.c:1): Can't allocate: Cannot allocate memory\n", WR_E_RESOURCE_EXHAUSTED,
         "memory"},
    };
    check(WR_CRIU_DUMP, examples, WR_ARRAY_SIZE(examples));
}

TEST(what_is_unknown_is_quoted)
{
    static const struct example examples[] = {
        {NOFILE "Error (criu/a.c:1): something new\nError (criu/b.c:2): something else\n" FAILED,
         WR_E_INTERNAL, "criu says: something new"},
        {"(00.012345) Error (criu/a.c:1): with a time", WR_E_INTERNAL, "criu says: with a time"},
        {"criu: unrecognized option '--x'\n", WR_E_INTERNAL, "unrecognized option"},
        {NOFILE, WR_E_INTERNAL, "criu says"},
        {"", WR_E_INTERNAL, "criu says: nothing"},
        {"Warn  (criu/a.c:1): No space left on device\nError (criu/b.c:1): other\n", WR_E_INTERNAL,
         "other"},
        {"Error (criu/a.c:1): \x1b[2J\xff\n", WR_E_INTERNAL, "criu says:  [2J?"},
    };
    check(WR_CRIU_DUMP, examples, WR_ARRAY_SIZE(examples));
}

TEST(a_long_line_is_cut)
{
    char log[4096] = "Error (criu/a.c:1): ";
    struct wr_error err = {0};

    memset(log + strlen(log), 'x', sizeof log - 30);
    CHECK_INT(wr_criu_explain(WR_CRIU_DUMP, log, &err), -WR_E_INTERNAL);
    CHECK(strstr(err.msg, "criu says: xxxx"));
}

TEST(what_cannot_be_restored)
{
    static const struct example examples[] = {
        {"23: Error (criu/files-reg.c:2175): File bin/agent has bad size 10 (expect 20)\n",
         WR_E_DATA_LOSS, "a file is not the one"},
        {"23: Error (criu/files-reg.c:2153): File bin/agent has bad build-ID\n", WR_E_DATA_LOSS,
         "a program is not the one"},
        {"1: Error (criu/files-reg.c:2250): Can't open file tmp/x on restore: No such file or "
         "directory\n",
         WR_E_DATA_LOSS, "missing"},
        {"pie: 7: Error (criu/pie/restorer.c:480): Can not set posix lock of fd 3: -11\n",
         WR_E_FAILED_PRECONDITION, "locked by somebody else"},
        {"Error (criu/image.c:600): Unable to open pstree.img: No such file or directory\n",
         WR_E_DATA_LOSS, "image"},
        {"1: Error (criu/mem.c:1): Unable to mmap: Cannot allocate memory\n",
         WR_E_RESOURCE_EXHAUSTED, "memory"},
        {"1: Error (criu/x.c:1): Can't bind inet socket (id 2): Address already in use\n",
         WR_E_INTERNAL, "could not be restored; criu says: Can't bind"},
    };
    check(WR_CRIU_RESTORE, examples, WR_ARRAY_SIZE(examples));
}
