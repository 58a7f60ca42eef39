#include "primitives/execute/install.h"

#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/execute/execution_input.h"
#include "warren/program.h"

#define MAX_REQUIREMENT 300
#define MAX_PIP_OUTPUT  ((uint64_t)65536)

bool wr_install_requirement_valid(const char *text)
{
    size_t len = strlen(text);

    if (len == 0 || len > MAX_REQUIREMENT || text[0] == '-' || text[0] == ' ')
        return false;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return false;
    return true;
}

/* ---- what pip says ---- */

/* The user's part of a URL whose "//" is right before `at`; 0: there is none. */
static size_t credentials_len(const char *at)
{
    size_t rest = strcspn(at, "/ \t\r\n\"'<>"), len = 0;

    for (size_t i = 0; i < rest; i++)
        if (at[i] == '@')
            len = i;
    return len;
}

static void copy_without_credentials(const char *text, size_t len, char *ret, size_t cap)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < cap;) {
        size_t hidden =
            i >= 3 && strncmp(text + i - 3, "://", 3) == 0 ? credentials_len(text + i) : 0;
        if (hidden == 0) {
            ret[n++] = text[i++];
            continue;
        }
        for (size_t k = 0; k < 3 && n + 1 < cap; k++)
            ret[n++] = '*';
        i += hidden;
    }
    for (size_t k = 0; k < 3 && n > 0 && !wr_utf8_valid(ret, n); k++)
        n--; /* a part of a character at the end of the room */
    ret[n] = '\0';
}

void wr_install_reason(const char *output, char *ret, size_t cap)
{
    const char *best = "", *last_error = NULL;
    size_t best_len = 0, error_len = 0;

    for (const char *line = output; *line;) {
        size_t len = strcspn(line, "\r\n");
        if (len > 0) {
            best = line;
            best_len = len;
        }
        if (wr_starts_with(line, "ERROR: ")) {
            last_error = line + strlen("ERROR: ");
            error_len = len - strlen("ERROR: ");
        }
        line += len + (line[len] != '\0');
    }
    if (last_error)
        copy_without_credentials(last_error, error_len, ret, cap);
    else
        copy_without_credentials(best, best_len, ret, cap);
}

/* ---- running it ---- */

static int explain(const struct wr_value *result, struct wr_error *err)
{
    char reason[180];
    const char *errors = wr_value_string(result, "stderr");

    wr_install_reason(*errors ? errors : wr_value_string(result, "stdout"), reason, sizeof reason);
    return wr_fail(err, WR_E_FAILED_PRECONDITION, 0, "pip: %s",
                   *reason ? reason : "it failed without a word");
}

int wr_install_packages(const struct wr_install *install, struct wr_workflow *workflow,
                        struct wr_error *err)
{
    static const char *const head[] = {"python3",    "-m",        "pip",
                                       "install",    "--quiet",   "--disable-pip-version-check",
                                       "--no-input", "--no-color"};
    const char *argv[WR_ARRAY_SIZE(head) + WR_EXECUTION_MAX_PACKAGES + 3];
    size_t n = 0;
    wr_auto_value *result = NULL;

    if (install->count == 0 && !install->requirements)
        return 0;
    if (install->count > WR_EXECUTION_MAX_PACKAGES)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "install: more than %d packages",
                       WR_EXECUTION_MAX_PACKAGES);
    for (size_t i = 0; i < WR_ARRAY_SIZE(head); i++)
        argv[n++] = head[i];
    if (install->requirements) {
        argv[n++] = "--requirement";
        argv[n++] = install->requirements;
    }
    argv[n++] = "--"; /* what follows is no option, whatever it looks like */
    for (size_t i = 0; i < install->count; i++)
        argv[n++] = install->packages[i];
    const struct wr_wait wait = wr_workflow_wait(workflow, 0);
    int r = wr_program_run(install->sandbox,
                           WR_OPTS(wr_program_opts, .argv = argv, .argv_count = n,
                                   .envs = install->envs, .env_count = install->env_count,
                                   .cwd = install->cwd, .timeout_ms = install->timeout_ms,
                                   .max_output = MAX_PIP_OUTPUT),
                           &wait, &result, err);
    if (r == -WR_E_DEADLINE_EXCEEDED && wr_workflow_check(workflow, err) == 0)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0,
                       "installing packages took longer than %llu seconds and was stopped",
                       (unsigned long long)(install->timeout_ms / 1000));
    if (r < 0)
        return wr_wrap(err, "install");
    return wr_value_int(result, "exit_code", -1) == 0 ? 0 : explain(result, err);
}
