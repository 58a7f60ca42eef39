/*
 * CRIU: finding it, its command lines (docs/internals/checkpoint.md), and what its log says. All of
 * it blocks: for jobs.
 */
#pragma once

#include <sys/types.h>

#include "engine/cgroup/cgroup.h"
#include "engine/snapshot/criu_find.h"
#include "engine/snapshot/memory.h"

#define WR_CRIU_MAX_MOUNTS 8

/* A mount that is not part of the root file system (a volume). */
struct wr_criu_mount {
    char inside[256]; /* its path in the sandbox */
    char name[16];    /* "vol0" */
    char host[256];   /* restore: where it is mounted in the job's mount namespace */
};

struct wr_criu_dump {
    pid_t pid;       /* host pid of the sandbox's first process */
    int netns_fd;    /* its network namespace */
    int image_dirfd; /* empty; searchable for everybody (0711): the restored processes open its
                        files themselves, as the sandbox's root */
    const char *freeze_cgroup; /* path of its frozen v2 control group; it stays frozen. NULL: none,
                                  the processes run */
    const struct wr_criu_mount *mounts;
    size_t mount_count;
    const struct wr_memory_file *memory; /* what is left out of the image */
    size_t memory_count;
    uint64_t timeout_ms;
};
/* Its processes stay, as they were. FAILED_PRECONDITION when CRIU cannot dump what they do (the
 * message says what, in our words where we know it: io_uring, ptrace, userfaultfd, a nested user
 * namespace), RESOURCE_EXHAUSTED without space, INTERNAL with the first error line of the log
 * else. */
int wr_criu_dump(const struct wr_criu *criu, const struct wr_criu_dump *dump, struct wr_error *err)
    WR_MUST_CHECK;
/*
 * A dump gives open files that lost their name, but not their last one, a further name beside it
 * ("link_remap.*"), which belongs to what was saved. Of a sandbox that goes on they are removed by
 * this, after its files were copied and before it is thawed. `pid` as for the dump.
 */
int wr_criu_drop_links(int image_dirfd, pid_t pid, struct wr_error *err) WR_MUST_CHECK;

struct wr_criu_restore {
    int image_dirfd;  /* as wr_image_for_slot() made it */
    int work_dirfd;   /* empty: log and pid file */
    const char *root; /* mount point of the overlay, in our mount namespace */
    int netns_fd;     /* with lo up */
    /* What the processes are born into, and nothing else: after a failure its v2 group is killed.
     * NULL: as we are, and the caller ends what is left. */
    const struct wr_cgroup_join *cgroup;
    const struct wr_criu_mount *mounts;
    size_t mount_count;
    const struct wr_memory_file *memory; /* what was left out of the image */
    const int *memory_fds;               /* where it is: one for each */
    size_t memory_count;
    /* Called when everything is restored and every process stands still before its next
     * instruction, held by CRIU; after 0 CRIU lets go of them. NULL: they just go on. */
    int (*hold)(void *data, struct wr_error *err);
    pid_t (*early)(void *data); /* see struct wr_criu_process */
    void *hold_data;            /* of both */
    uint64_t timeout_ms;
};
/* *ret_pid: host pid of the first process, which runs. DATA_LOSS when image and files do not fit
 * each other, else as wr_criu_dump(). No process is left after a failure. */
int wr_criu_restore(const struct wr_criu *criu, const struct wr_criu_restore *restore,
                    pid_t *ret_pid, struct wr_error *err) WR_MUST_CHECK;
