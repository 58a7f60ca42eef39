#include "engine/snapshot/criu_find.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/str.h"
#include "sys/tool.h"

#define INSTALL     "`warren criu install` builds one"
#define VERSION_MS  10000
#define PATCHES_MIN 7 /* the oldest set of patches (tools/build-criu) that does what is needed */

static const char *const places[] = {WR_CRIU_DIRECTORY "/criu",
                                     "/var/cache/warren/criu/" WR_CRIU_BUILD "/criu"};

/* Linux 6.16 took options away from all but unix sockets that CRIU before 4.2 reads of every
 * socket. */
static unsigned needed_minor(unsigned kernel_major, unsigned kernel_minor)
{
    return kernel_major > 6 || (kernel_major == 6 && kernel_minor >= 16) ? 2 : 1;
}

int wr_criu_fits(const char *version, const char *kernel, struct wr_error *err)
{
    unsigned major = 0, minor = 0, patches = 0, kernel_major = 0, kernel_minor = 0;
    const char *ours = strstr(version, "-warren");

    if (sscanf(version, "%3u.%3u", &major, &minor) != 2 ||
        sscanf(kernel, "%3u.%3u", &kernel_major, &kernel_minor) != 2)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "criu \"%.30s\" on Linux \"%.30s\": unknown version", version, kernel);
    if (!ours || sscanf(ours, "-warren%4u", &patches) != 1)
        return wr_fail(
            err, WR_E_FAILED_PRECONDITION, 0,
            "criu %.30s is not Warren's build, and no other can save a sandbox: " INSTALL, version);
    const unsigned needed = needed_minor(kernel_major, kernel_minor);
    if (patches < PATCHES_MIN || major < 4 || (major == 4 && minor < needed))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "criu %.30s is too old for this Warren on Linux %.30s: " INSTALL, version,
                       kernel);
    return 0;
}

static int check_file(const char *path, bool leaf, struct wr_error *err)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "criu: %.150s", path);
    if (leaf && (!S_ISREG(st.st_mode) || !(st.st_mode & S_IXUSR)))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "criu: %.150s is not a program", path);
    /* In a directory with the sticky bit nobody replaces what belongs to root. */
    const bool others = (st.st_mode & (S_IWGRP | S_IWOTH)) && (leaf || !(st.st_mode & S_ISVTX));
    if (st.st_uid != 0 || others)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "criu: %.120s can be changed by others than root, as whom it would run; "
                       "`chown root` and `chmod go-w` it",
                       path);
    return 0;
}

int wr_criu_check_owner(const char *path, struct wr_error *err)
{
    char part[WR_CRIU_PATH_MAX];

    if (!wr_strcopy(part, sizeof(part), path))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "criu: the path is longer than %d bytes",
                       WR_CRIU_PATH_MAX - 1);
    int rc = check_file(part, true, err);
    for (char *slash = strrchr(part, '/'); rc == 0 && slash && slash != part;
         slash = strrchr(part, '/')) {
        *slash = '\0';
        rc = check_file(part, false, err);
    }
    return rc;
}

static void on_line(const char *line, void *data)
{
    char *version = data;
    char read[32];

    if (!version[0] && sscanf(line, "Version: %31s", read) == 1)
        memcpy(version, read, sizeof(read));
}

static int ask_version(struct wr_criu *criu, struct wr_error *err)
{
    static const char *const env[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", NULL};
    const char *const argv[] = {criu->path, "--version", NULL};
    const struct wr_tool tool = {.argv = argv,
                                 .env = env,
                                 .cancel_fd = -1,
                                 .timeout_ms = VERSION_MS,
                                 .line = on_line,
                                 .data = criu->version};
    int status = 0;
    const int rc = wr_tool_run(&tool, &status);

    if (rc < 0)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, -rc, "cannot run %.150s", criu->path);
    if (status != 0 || !criu->version[0])
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%.150s --version says no version",
                       criu->path);
    return 0;
}

static const char *first_place(void)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(places); i++)
        if (access(places[i], F_OK) == 0)
            return places[i];
    return NULL;
}

int wr_criu_find(const char *path, struct wr_criu *ret, struct wr_error *err)
{
    struct wr_criu found = {.version = ""};
    struct utsname host;
    char real[PATH_MAX];

    if (!path)
        path = first_place();
    if (!path)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "there is no criu: " INSTALL);
    if (!realpath(path, real))
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION, "criu: %.150s", path);
    int rc = wr_criu_check_owner(real, err);
    if (rc == 0 && (!wr_strcopy(found.path, sizeof(found.path), real) || uname(&host) < 0))
        rc = wr_fail(err, WR_E_INTERNAL, 0, "criu: %.150s", real);
    if (rc == 0)
        rc = ask_version(&found, err);
    if (rc == 0)
        rc = wr_criu_fits(found.version, host.release, err);
    if (rc == 0)
        *ret = found;
    return rc;
}
