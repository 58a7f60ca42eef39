/* System calls that glibc 2.36 does not wrap, and constants that its headers lack. Negative errno
 * on failure. */
#pragma once

#include <linux/sched.h>
#include <signal.h>
#include <sys/types.h>

#include "base/base.h"

/* clone3(2); in the child returns 0. The child shares no atfork handlers: it is a fork of a
 * single-threaded process. */
pid_t wr_clone3(struct clone_args *args) WR_MUST_CHECK;
/* openat2(2) (kernel 5.6). `resolve` is RESOLVE_*. */
int wr_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
    WR_MUST_CHECK;
int wr_pidfd_open(pid_t pid) WR_MUST_CHECK;
int wr_pidfd_send_signal(int pidfd, int sig) WR_MUST_CHECK;
/* Raw setters: glibc's broadcast to threads, which a fresh fork must not do. */
int wr_set_ids(uid_t uid, gid_t gid) WR_MUST_CHECK; /* setgroups(0), setresgid, setresuid */
int wr_keyctl_join_session(void) WR_MUST_CHECK;     /* KEYCTL_JOIN_SESSION_KEYRING(NULL) */

/* With src/ in the include path this file hides the system's <sys/syscall.h>: whoever includes that
 * gets both. The pragma is for include_next, which -Wpedantic refuses elsewhere. */
#pragma GCC system_header
#include_next <sys/syscall.h>
/* Default disposition of every signal, and none blocked, before a program is started. Raw calls:
 * glibc refuses to touch the two signals that it uses itself, and a parent may have left those
 * ignored as well. Async-signal-safe. */
void wr_signals_reset(void);
