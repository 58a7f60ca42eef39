#include "primitives/orchestrate/share.h"

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/observe/event.h"
#include "primitives/orchestrate/board_names.h"
#include "primitives/orchestrate/warren_board_text.h"
#include "warren/code.h"
#include "warren/volumes.h"

#define SHARE_MS        ((uint64_t)120000) /* for one step of entering or leaving */
#define REMOVE_MS       10000              /* for the volume to be free of its sandboxes */
#define REMOVE_AGAIN_MS 50

/* Once for each sandbox; the directory goes last, so that nothing of the task's is hidden. */
static const char path_cell[] = "'" WR_BOARD_LIB "' in __import__('sys').path or "
                                "__import__('sys').path.append('" WR_BOARD_LIB "')\n"
                                "None\n";

int wr_task_share_check_path(const char *path, struct wr_error *err)
{
    size_t len = strlen(path);

    if (path[0] != '/' || len < 2 || len > 200 || path[len - 1] == '/' || strchr(path, ':') ||
        !wr_board_path_valid(path + 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "share_path %.60s: is absolute, not /, without . and .. parts and colons",
                       path);
    return 0;
}

static int make_volume(struct wr_task_share *share, struct wr_workflow *workflow,
                       struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(workflow, SHARE_MS);
    wr_auto_value *made = NULL;

    int r = wr_volume_create(share->client, NULL, 0, &wait, &made, err);
    if (r < 0)
        return wr_wrap(err, "the volume that tasks share");
    if (!wr_strcopy(share->volume_id, sizeof share->volume_id, wr_value_string(made, "volumeID")) ||
        !wr_strformat(share->volume_mount, sizeof share->volume_mount, "%s:%s",
                      wr_value_string(made, "name"), share->path))
        return wr_fail(err, WR_E_INTERNAL, 0, "the server's answer names no volume");
    return 0;
}

int wr_task_share_open(const struct wr_orchestrator_opts *opts, struct wr_client *client,
                       struct wr_workflow *workflow, struct wr_task_share *ret,
                       struct wr_error *err)
{
    struct wr_task_share share = {.kind = opts->share, .path = opts->share_path, .client = client};
    int r = 0;

    if (share.kind == WR_SHARE_VOLUME)
        r = make_volume(&share, workflow, err);
    if (share.kind == WR_SHARE_BLACKBOARD) {
        share.board = wr_blackboard_open(opts->blackboard_dir, opts->max_blackboard_bytes, err);
        r = share.board ? 0 : -err->code;
    }
    if (r < 0)
        return r;
    *ret = share;
    return 0;
}

/* Killed sandboxes give their mounts back a moment later. */
static int remove_volume(const struct wr_task_share *share, struct wr_error *err)
{
    uint64_t end = wr_mono_ms() + REMOVE_MS;

    for (;;) {
        /* Not the workflow's token: what was made goes also when it was cancelled. */
        const struct wr_wait wait = {.timeout_ms = REMOVE_MS};
        int r = wr_volume_remove(share->client, share->volume_id, &wait, err);
        if (r != -WR_E_ABORTED && r != -WR_E_ALREADY_EXISTS)
            return r;
        if (wr_mono_ms() >= end)
            return r;
        (void)poll(NULL, 0, REMOVE_AGAIN_MS);
    }
}

void wr_task_share_close(struct wr_task_share *share, struct wr_workflow *workflow)
{
    struct wr_error err = {0};

    if (*share->volume_id && remove_volume(share, &err) < 0)
        wr_telemetry_log(workflow, "error", "volume_left", "SandboxOrchestrator",
                         json_pack("{s:s, s:s}", "volume", share->volume_id, "error", err.msg));
    wr_blackboard_free(share->board);
    *share = (struct wr_task_share){0};
}

/* `import warren_board` works in the default context, and by PYTHONPATH in programs. */
static int add_module(struct wr_sandbox *sandbox, const struct wr_wait *wait, struct wr_error *err)
{
    wr_auto_value *result = NULL;

    int r = wr_files_write(sandbox, WR_BOARD_MODULE, NULL, wr_warren_board_text,
                           strlen(wr_warren_board_text), wait, err);
    if (r == 0)
        r = wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = path_cell), wait, &result, err);
    return r < 0 ? wr_wrap(err, "warren_board") : 0;
}

int wr_task_share_enter(const struct wr_task_share *share, struct wr_sandbox *sandbox, bool python,
                        struct wr_workflow *workflow, struct wr_board_copy *copy,
                        struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(workflow, SHARE_MS);
    int r = 0;

    if (share->board)
        r = wr_board_copy_in(share->board, sandbox, share->path, &wait, copy, err);
    if (r == 0 && share->kind != WR_SHARE_NONE && python)
        r = add_module(sandbox, &wait, err);
    return r;
}

int wr_task_share_leave(const struct wr_task_share *share, struct wr_sandbox *sandbox,
                        struct wr_workflow *workflow, const struct wr_board_copy *copy,
                        struct wr_error *err)
{
    const struct wr_wait wait = wr_workflow_wait(workflow, SHARE_MS);

    return share->board ? wr_board_copy_out(share->board, sandbox, share->path, &wait, copy, err)
                        : 0;
}
