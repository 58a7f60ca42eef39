/* The lists behind engine/isolate/seccomp.c. */
#pragma once

#include <stddef.h>

/* Allowed whatever the arguments are. A name that this libseccomp or architecture does not know is
 * passed over. */
extern const char *const wr_seccomp_allowed[];
extern const size_t wr_seccomp_allowed_count;
/* Allowed for a zygote besides. */
extern const char *const wr_seccomp_allowed_zygote[];
extern const size_t wr_seccomp_allowed_zygote_count;
/* Answered with EPERM: programs expect that answer for them. Everything that is in no list gets
 * ENOSYS. */
extern const char *const wr_seccomp_refused[];
extern const size_t wr_seccomp_refused_count;
