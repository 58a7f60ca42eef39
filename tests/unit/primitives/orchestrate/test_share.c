#include "base/alloc.h"
#include "primitives/core/workflow.h"
#include "primitives/orchestrate/board_names.h"
#include "primitives/orchestrate/share.h"
#include "support/fake_driver.h"
#include "test.h"

TEST(paths)
{
    static const char *const good[] = {"/board", "/home/user/shared", "/a/b.c"};
    static const char *const bad[] = {"", "/", "board", "/a/", "/a//b", "/a/../b", "/a:b", "//a"};
    struct wr_error err = {0};

    for (size_t i = 0; i < WR_ARRAY_SIZE(good); i++)
        CHECK_INT(wr_task_share_check_path(good[i], &err), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_task_share_check_path(bad[i], &err), -WR_E_INVALID_ARGUMENT);
}

TEST(a_volume_lives_as_long_as_the_share)
{
    struct fake_driver *driver = fake_driver_new();
    struct wr_client *client = fake_driver_client(driver);
    struct wr_error err = {0};
    wr_auto_workflow *workflow = wr_workflow_new(NULL, &err);
    struct wr_task_share share;
    const struct wr_orchestrator_opts opts = {.share = WR_SHARE_VOLUME, .share_path = "/board"};

    CHECK_INT(wr_task_share_open(&opts, client, workflow, &share, &err), 0);
    CHECK_INT(fake_driver_volumes(driver), 1);
    CHECK(strstr(share.volume_mount, ":/board") != NULL);
    /* Also when the workflow was cancelled meanwhile. */
    wr_workflow_cancel(workflow);
    wr_task_share_close(&share, workflow);
    CHECK_INT(fake_driver_volumes(driver), 0);
    fake_driver_fail(driver, FAKE_VOLUME, 1, 1, WR_E_RESOURCE_EXHAUSTED);
    wr_auto_workflow *other = wr_workflow_new(NULL, &err);
    CHECK_INT(wr_task_share_open(&opts, client, other, &share, &err), -WR_E_RESOURCE_EXHAUSTED);
    wr_client_free(client);
    fake_driver_free(driver);
}

TEST(python_gets_the_module)
{
    struct fake_driver *driver = fake_driver_new();
    struct wr_client *client = fake_driver_client(driver);
    struct wr_error err = {0};
    wr_auto_workflow *workflow = wr_workflow_new(NULL, &err);
    struct wr_sandbox *sandbox = NULL;
    struct wr_board_copy copy = {0};
    struct wr_task_share share = {.kind = WR_SHARE_VOLUME, .path = "/board"};

    CHECK_INT(wr_sandbox_create(client, NULL, NULL, &sandbox, &err), 0);
    CHECK_INT(wr_task_share_enter(&share, sandbox, false, workflow, &copy, &err), 0);
    wr_auto_free char *none = fake_driver_file(driver, wr_sandbox_id(sandbox), WR_BOARD_MODULE);
    CHECK(none == NULL);
    CHECK_INT(wr_task_share_enter(&share, sandbox, true, workflow, &copy, &err), 0);
    wr_auto_free char *module = fake_driver_file(driver, wr_sandbox_id(sandbox), WR_BOARD_MODULE);
    CHECK(module && strstr(module, "class Barrier"));
    share.kind = WR_SHARE_NONE;
    unsigned cells = fake_driver_calls(driver, FAKE_CODE);
    CHECK_INT(cells, 1);
    CHECK_INT(wr_task_share_enter(&share, sandbox, true, workflow, &copy, &err), 0);
    CHECK_INT(fake_driver_calls(driver, FAKE_CODE), cells);
    wr_sandbox_free(sandbox);
    wr_client_free(client);
    fake_driver_free(driver);
}
