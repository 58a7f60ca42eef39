#include "primitives/execute/supply_carry.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "json/value.h"
#include "primitives/execute/inside.h"
#include "warren/code.h"
#include "warren/files.h"
#include "warren/program.h"

#define MAX_BYTES  ((uint64_t)256 << 20)
#define HOME_FILE  "/tmp/.warren-carry-home"
#define NAMES_FILE "/tmp/.warren-carry-variables"

/* The limit is of blocks of 1024 bytes, and holds for root as well. Status 1 of tar: a file changed
 * while it was read. Sockets are left out. */
#define PACK                                                                      \
    "ulimit -f 262144 && tar --create --file=" HOME_FILE " --directory ~user .; " \
    "status=$?; chmod 600 " HOME_FILE "; [ $status -le 1 ]"
#define UNPACK                                                                      \
    "tar --extract --file=" HOME_FILE " --directory ~ --no-same-owner; status=$?; " \
    "rm -f " HOME_FILE "; [ $status -le 1 ]"

static int run_command(struct wr_sandbox *sandbox, const char *command, const char *user,
                       const struct wr_wait *wait, struct wr_error *err)
{
    wr_auto_value *result = NULL;

    int r = wr_program_run(sandbox,
                           WR_OPTS(wr_program_opts, .command = command, .user = user, .cwd = "/tmp",
                                   .timeout_ms = wait->timeout_ms),
                           wait, &result, err);
    if (r == 0 && wr_value_int(result, "exit_code", -1) != 0)
        r = wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%.180s", wr_value_string(result, "stderr"));
    return r;
}

/* By way of a file of this process that has no name. */
static int move_file(struct wr_sandbox *from, struct wr_sandbox *to, const char *path,
                     const struct wr_wait *wait, struct wr_error *err)
{
    wr_auto_close int fd = open(P_tmpdir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) /* a file system without such files */
        fd = memfd_create("warren-carry", MFD_CLOEXEC);
    if (fd < 0)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "a temporary file");
    int r = wr_files_download(from, path, "root", fd, MAX_BYTES, wait, err);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = wr_fail_errno(err, WR_E_INTERNAL, "go to the begin of a temporary file");
    if (r == 0)
        r = wr_files_upload(to, path, "user", fd, wait, err);
    return r;
}

static int carry_files(struct wr_sandbox *from, struct wr_sandbox *to, const struct wr_wait *wait,
                       struct wr_error *err)
{
    int r = run_command(from, PACK, "root", wait, err);

    if (r == 0)
        r = move_file(from, to, HOME_FILE, wait, err);
    if (r == 0)
        r = run_command(to, UNPACK, "user", wait, err);
    return r;
}

/* One of our cells: it prints one object. */
static int run_cell(struct wr_sandbox *sandbox, const char *code, const struct wr_wait *wait,
                    struct wr_value **ret, struct wr_error *err)
{
    wr_auto_value *result = NULL;

    int r =
        wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = code, .timeout_ms = wait->timeout_ms),
                    wait, &result, err);
    if (r < 0)
        return r;
    const struct wr_value *error = wr_value_get(result, "error");
    if (*wr_value_string(error, "name"))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "%.60s: %.120s",
                       wr_value_string(error, "name"), wr_value_string(error, "value"));
    const char *out = wr_value_string(result, "stdout");
    return wr_value_parse(out, strlen(out), ret, err);
}

static int carry_variables(struct wr_sandbox *from, struct wr_sandbox *to,
                           const struct wr_wait *wait, json_t *report, struct wr_error *err)
{
    wr_auto_value *saved = NULL;
    wr_auto_value *loaded = NULL;

    int r = run_cell(from, wr_inside_carry_save, wait, &saved, err);
    if (r == 0)
        r = move_file(from, to, NAMES_FILE, wait, err);
    if (r == 0)
        r = run_cell(to, wr_inside_carry_load, wait, &loaded, err);
    if (r < 0)
        return r;
    json_t *left = json_object();
    const struct wr_value *parts[] = {wr_value_get(saved, "left"), wr_value_get(loaded, "left")};
    for (size_t i = 0; left && i < WR_ARRAY_SIZE(parts); i++)
        if (parts[i])
            (void)json_object_update(left, wr_value_json(parts[i]));
    (void)json_object_set_new(report, "variables", json_integer(wr_value_int(loaded, "loaded", 0)));
    (void)json_object_set_new(report, "variables_left", left);
    return 0;
}

void wr_carry(struct wr_sandbox *from, struct wr_sandbox *to, const struct wr_carry *what,
              json_t *report)
{
    struct wr_error err = {0};

    if (what->files) {
        int r = carry_files(from, to, &what->wait, &err);
        (void)json_object_set_new(report, "files", json_string(r == 0 ? "carried" : err.msg));
    }
    if (what->variables && carry_variables(from, to, &what->wait, report, &err) < 0) {
        (void)json_object_set_new(report, "variables", json_integer(0));
        (void)json_object_set_new(report, "variables_left", json_string(err.msg));
    }
}
