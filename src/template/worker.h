/*
 * Runs one long operation in a forked child that reports its progress, so that it can give up
 * rights, be interrupted, and crash on hostile input without taking the caller with it. The child
 * dies with the caller.
 */
#pragma once

#include "base/error.h"
#include "template/progress.h"

struct wr_worker {
    int report_fd; /* write end of a pipe, owned by the child */
    uint64_t entries;
    uint64_t bytes;
    uint64_t sent_ms;
};

/* In the child: counts what was done; the caller shows it. */
void wr_worker_count(struct wr_worker *w, uint64_t bytes);

/*
 * Runs fn in a child with the descriptors `keep` and the standard ones, all others closed. Its
 * result and its error become those of this call. CANCELED after SIGINT, SIGTERM or SIGHUP, with
 * the child dead.
 */
int wr_worker_run(int (*fn)(struct wr_worker *w, void *data, struct wr_error *err), void *data,
                  const int *keep, size_t keep_count, struct wr_progress *progress,
                  struct wr_error *err) WR_MUST_CHECK;
