#include "cli/awake.h"

#include <stdio.h>

#include "base/str.h"
#include "cli/each_id.h"
#include "cli/progress.h"
#include "client/api_pause.h"
#include "client/api_sandbox.h"
#include "json/jread.h"

/* Or about to be: a resume waits for that. */
static bool is_paused(const json_t *info)
{
    const char *state = json_string_value(json_object_get(info, "state"));

    return json_is_true(json_object_get(info, "pausing")) || (state && wr_streq(state, "paused"));
}

static void write_line(char *line, size_t cap, double elapsed_s, void *data)
{
    if (!wr_strformat(line, cap, "resuming %.80s, %.0f s", (const char *)data, elapsed_s))
        line[0] = '\0';
}

int wr_cli_awake(struct wr_transport *client, const char *id, struct wr_error *err)
{
    const struct wr_resume_opts resume = {.timeout_s = WR_API_SANDBOX_TIMEOUT_S};
    struct wr_progress *progress = NULL;
    wr_auto_json *info = NULL;

    int r = wr_api_sandbox_get(client, id, &info, err);
    if (r < 0)
        return wr_explain_sandbox(r, id, err);
    if (!is_paused(info))
        return 0;
    r = wr_progress_start(write_line, (void *)(uintptr_t)id, &progress, err);
    if (r < 0)
        return r;
    r = wr_api_sandbox_resume(client, id, &resume, err);
    wr_progress_stop(progress);
    if (r == 0)
        fprintf(stderr, "warren: sandbox %s was paused, and goes on\n", id);
    return r;
}

bool wr_cli_paused_meanwhile(struct wr_transport *client, const char *id, struct wr_error *err)
{
    struct wr_error ignored = {0};
    wr_auto_json *info = NULL;

    if ((err->code != WR_E_UNAVAILABLE && err->code != WR_E_FAILED_PRECONDITION &&
         err->code != WR_E_NOT_FOUND) ||
        wr_api_sandbox_get(client, id, &info, &ignored) < 0 || !is_paused(info))
        return false;
    (void)wr_fail(
        err, WR_E_FAILED_PRECONDITION, 0,
        "sandbox %s was paused meanwhile; what ran in it goes on after `warren resume %s`", id, id);
    return true;
}
