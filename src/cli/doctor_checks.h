/* What `warren doctor` looks at, one function per question, in one table. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

enum wr_health {
    WR_HEALTH_OK = 0,
    WR_HEALTH_WARN = 1, /* works with less */
    WR_HEALTH_FAIL = 2, /* sandboxes cannot be made */
};

struct wr_finding {
    enum wr_health health;
    char found[160];  /* what is there */
    const char *cost; /* what is missing because of it, or NULL */
    const char *mend; /* what to do, or NULL */
};

struct wr_doctor_place {
    const char *socket_path, *data_dir;
    const char *criu; /* the setting, or NULL */
};

struct wr_doctor_check {
    const char *name;
    void (*run)(const struct wr_doctor_place *place, struct wr_finding *ret);
};

extern const struct wr_doctor_check wr_doctor_checks[];
extern const size_t wr_doctor_check_count;

/* Moves the calling process into a user namespace of its own, in which it is root. 0 or a negative
 * errno. */
int wr_doctor_enter_userns(void);

/* "6.1.0-13-amd64" -> 6, 1. False when it is no version. */
bool wr_kernel_version(const char *release, unsigned *ret_major, unsigned *ret_minor);
