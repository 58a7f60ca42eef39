/* What an image of running processes depends on: kernel and CPU. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

#define WR_HOST_FEATURES_MAX 2560

struct wr_host {
    char kernel[65];  /* release: uname(2) */
    char machine[65]; /* "x86_64" */
    /* Names of the CPU features that programs may have found and use (those of the flags of
     * /proc/cpuinfo on x86-64, all Features on arm64), sorted, with blanks between. */
    char features[WR_HOST_FEATURES_MAX];
    char criu[32]; /* version; "" without */
};

/* Of this machine; reads /proc once. */
int wr_host_read(struct wr_host *ret, struct wr_error *err) WR_MUST_CHECK;
/* The part of it that is text: of a /proc/cpuinfo of such a machine. INTERNAL without features. */
int wr_host_features(const char *machine, const char *cpuinfo, char ret[WR_HOST_FEATURES_MAX],
                     struct wr_error *err) WR_MUST_CHECK;
/* FAILED_PRECONDITION when an image of `saved` cannot be restored on `here`: another architecture,
 * an older kernel (by major and minor number), CPU features that are missing (the first few are
 * named). The message says what is left: to resume with the files only. */
int wr_host_fits(const struct wr_host *saved, const struct wr_host *here, struct wr_error *err)
    WR_MUST_CHECK;
