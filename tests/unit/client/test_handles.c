#include "client/handles.h"
#include "support/fake_driver.h"
#include "test.h"

TEST(pairs_and_texts)
{
    const char *const good[] = {"A=1", "AB=1", "B=="}, *const none[] = {"A"},
                      *const empty[] = {"=x"};
    const char *const twice[] = {"A=1", "B=2", "A=3"}, *const bytes[] = {"A=\xff"};
    struct wr_error err = {0};

    CHECK_INT(wr_opts_check_pairs(good, 3, "envs", &err), 0);
    CHECK_INT(wr_opts_check_pairs(NULL, 0, "envs", &err), 0);
    CHECK_INT(wr_opts_check_pairs(NULL, 1, "envs", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_pairs(none, 1, "envs", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_pairs(empty, 1, "envs", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_pairs(twice, 3, "envs", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_pairs(bytes, 1, "envs", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_text("\xc3\xa4", "text", &err), 0);
    CHECK_INT(wr_opts_check_text("", "text", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_text(NULL, "text", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_opts_check_text("\xc3", "text", &err), -WR_E_INVALID_ARGUMENT);
}

TEST(waits_and_their_defaults)
{
    struct fake_driver *driver = fake_driver_new();
    struct wr_client *client = fake_driver_client(driver);
    struct wr_error err = {0};
    struct wr_cancel *cancel = wr_cancel_new(NULL, &err);
    struct wr_sandbox *sandbox = NULL;
    struct wr_wait wait = {.cancel = cancel}, begun = {0};

    CHECK_INT(wr_wait_begin(client, NULL, 0, &begun, &err), 0);
    CHECK_INT(begun.timeout_ms, WR_REQUEST_TIMEOUT_MS);
    CHECK_INT(wr_wait_begin(client, &wait, 7, &begun, &err), 0);
    CHECK(begun.timeout_ms == 7 && begun.cancel == cancel);
    CHECK_INT(wr_wait_begin(client, &wait, WR_WAIT_NO_END, &begun, &err), 0);
    CHECK_INT(begun.timeout_ms, 0);
    wait.timeout_ms = 9;
    CHECK_INT(wr_wait_begin(client, &wait, 7, &begun, &err), 0);
    CHECK_INT(begun.timeout_ms, 9);

    CHECK_INT(wr_sandbox_create(client, NULL, NULL, &sandbox, &err), 0);
    CHECK_INT(wr_call_default_ms(sandbox, 0), 0);
    CHECK_INT(wr_call_default_ms(sandbox, 100), 100 + WR_REQUEST_TIMEOUT_MS);
    CHECK(wr_call_default_ms(sandbox, UINT64_MAX - 1) == WR_WAIT_NO_END);
    CHECK_INT(wr_call_default_ms(NULL, 100), 0);

    wr_cancel_fire(cancel);
    CHECK_INT(wr_wait_begin(client, &wait, 7, &begun, &err), -WR_E_CANCELED);
    wr_cancel_free(cancel);
    wr_sandbox_free(sandbox);
    wr_client_free(client);
    fake_driver_free(driver);
}
