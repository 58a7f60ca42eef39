#include "engine/snapshot/criu_tracers.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"

#define THREADS_MAX ((size_t)1024 * 1024) /* bytes of the list */
#define STATUS_MAX  ((size_t)16 * 1024)
#define TRACER      "\nTracerPid:\t"

static bool is_traced(const char *thread)
{
    wr_auto_buf status = WR_BUF(STATUS_MAX);
    char path[64];

    if (!wr_strformat(path, sizeof(path), "/proc/%.20s/status", thread) ||
        wr_file_read(AT_FDCWD, path, &status) < 0)
        return false; /* it ended */
    const char *text = wr_buf_cstr(&status);
    const char *tracer = text ? strstr(text, TRACER) : NULL;
    return tracer && tracer[strlen(TRACER)] != '0';
}

int wr_criu_check_tracers(const char *cgroup, struct wr_error *err)
{
    wr_auto_buf threads = WR_BUF(THREADS_MAX);
    char path[PATH_MAX];

    if (!wr_strformat(path, sizeof(path), "%s/cgroup.threads", cgroup))
        return wr_fail(err, WR_E_INTERNAL, ENAMETOOLONG, "path of a control group");
    int rc = wr_file_read(AT_FDCWD, path, &threads);
    char *at = rc < 0 ? NULL : wr_buf_cstr(&threads);
    if (!at)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : ENOMEM, "read %.100s", path);
    while (*at) {
        char *end = at + strcspn(at, "\n");
        const bool last = *end == '\0';
        *end = '\0';
        if (is_traced(at))
            return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                           "it cannot be saved: a process is traced, as by a debugger");
        at = last ? end : end + 1;
    }
    return 0;
}
