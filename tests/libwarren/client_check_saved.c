#include "client_check.h"

/* What only a Warren server can. */
static bool is_warren(void)
{
    const char *url = getenv("E2B_API_URL");

    return getenv("WARREN_SOCKET") != NULL || (url && strstr(url, "127.0.0.1"));
}

static void set_x(struct wr_sandbox *sandbox, const char *code)
{
    wr_value_free(run_code(sandbox, code));
}

static void has_x(struct wr_sandbox *sandbox, const char *expected)
{
    struct wr_value *result = run_code(sandbox, "x");

    CHECK_STR(main_text(result), expected);
    wr_value_free(result);
}

TEST(saved_by_a_pause)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client), *again = NULL;
    struct wr_value *level = NULL, *info = NULL;
    const char *id = wr_sandbox_id(sandbox);

    set_x(sandbox, "x = 41");
    DO(wr_sandbox_pause(sandbox, NULL, NULL, &level, &err));
    if (is_warren())
        CHECK_STR(wr_value_string(level, "level"), "hibernated");
    wr_value_free(level);
    DO(wr_sandbox_pause_id(client, id, NULL, NULL, NULL, &err));
    DO(wr_sandbox_info(sandbox, NULL, &info, &err));
    CHECK_STR(wr_value_string(info, "state"), "paused");
    wr_value_free(info);
    /* The same handle, and one that somebody else gets. */
    DO(wr_sandbox_resume(sandbox, NULL, NULL, &err));
    has_x(sandbox, "41");
    DO(wr_sandbox_pause(sandbox, NULL, NULL, NULL, &err));
    DO(wr_sandbox_connect(client, id, 0, NULL, &again, &err));
    has_x(again, "41");
    wr_sandbox_free(again);
    end(client, sandbox);
}

TEST(saved_in_memory_and_without_it)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_value *level = NULL;

    if (is_warren()) {
        set_x(sandbox, "x = 5");
        DO(wr_sandbox_pause(sandbox, WR_OPTS(wr_pause_opts, .level = WR_SANDBOX_FROZEN), NULL,
                            &level, &err));
        CHECK_STR(wr_value_string(level, "level"), "frozen");
        wr_value_free(level);
        DO(wr_sandbox_resume(sandbox, NULL, NULL, &err));
        has_x(sandbox, "5");
        FAILS(WR_E_INVALID_ARGUMENT,
              wr_sandbox_pause(
                  sandbox, WR_OPTS(wr_pause_opts, .level = WR_SANDBOX_FROZEN, .files_only = true),
                  NULL, NULL, &err));
    }
    wr_value_free(run_command(sandbox, "echo kept > file"));
    DO(wr_sandbox_pause(sandbox, WR_OPTS(wr_pause_opts, .files_only = true), NULL, NULL, &err));
    DO(wr_sandbox_resume(sandbox, WR_OPTS(wr_resume_opts, .timeout_s = 100), NULL, &err));
    struct wr_value *result = run_command(sandbox, "cat file");
    CHECK_STR(wr_value_string(result, "stdout"), "kept\n");
    wr_value_free(result);
    end(client, sandbox);
}

TEST(saved_as_a_snapshot)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client), *made = NULL;
    struct wr_value *snapshot = NULL, *list = NULL, *tree = NULL;

    set_x(sandbox, "x = 1");
    DO(wr_snapshot_create(sandbox, NULL, NULL, &snapshot, &err));
    const char *id = wr_value_string(snapshot, "snapshotID");
    set_x(sandbox, "x = 2");
    DO(wr_sandbox_create(client, WR_OPTS(wr_sandbox_opts, .template_name = id), NULL, &made, &err));
    has_x(made, "1");
    has_x(sandbox, "2");
    DO(wr_snapshot_list(client,
                        WR_OPTS(wr_snapshot_list_opts, .sandbox_id = wr_sandbox_id(sandbox)), NULL,
                        &list, &err));
    CHECK_INT(wr_value_count(list), 1);
    CHECK_STR(wr_value_string(wr_value_at(list, 0), "snapshotID"), id);
    if (is_warren()) {
        DO(wr_snapshot_tree(client, id, NULL, &tree, &err));
        CHECK_INT(wr_value_count(wr_value_get(tree, "nodes")), 3);
        DO(wr_sandbox_rollback(sandbox, id, 0, NULL, &err));
        has_x(sandbox, "1");
    }
    DO(wr_sandbox_kill(made, NULL, &err));
    DO(wr_sandbox_kill(sandbox, NULL, &err));
    DO(wr_snapshot_delete(client, id, NULL, &err));
    DO(wr_snapshot_delete(client, id, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_sandbox_rollback(sandbox, id, 0, NULL, &err));
    wr_value_free(tree);
    wr_value_free(list);
    wr_value_free(snapshot);
    wr_sandbox_free(made);
    end(client, sandbox);
}

TEST(saved_for_a_moment_by_a_fork)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client), *forks[2] = {0};
    size_t made = 0;

    set_x(sandbox, "x = 7");
    DO(wr_sandbox_fork(sandbox, WR_OPTS(wr_fork_opts, .count = 2), NULL, forks, &made, &err));
    CHECK_INT(made, 2);
    set_x(forks[0], "x = 8");
    has_x(forks[0], "8");
    has_x(forks[1], "7");
    has_x(sandbox, "7");
    for (size_t i = 0; i < made; i++) {
        DO(wr_sandbox_kill(forks[i], NULL, &err));
        wr_sandbox_free(forks[i]);
    }
    end(client, sandbox);
}

TEST(saved_nothing_of_one_that_is_gone)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client), *fork = NULL;
    struct wr_value *nothing = NULL;
    size_t made = 0;

    DO(wr_sandbox_kill(sandbox, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_sandbox_pause(sandbox, NULL, NULL, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_sandbox_resume(sandbox, NULL, NULL, &err));
    FAILS(WR_E_NOT_FOUND, wr_snapshot_create(sandbox, NULL, NULL, &nothing, &err));
    FAILS(WR_E_NOT_FOUND, wr_sandbox_fork(sandbox, NULL, NULL, &fork, &made, &err));
    CHECK(nothing == NULL && fork == NULL);
    end(client, sandbox);
}
