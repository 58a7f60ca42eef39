#include "client_check.h"

TEST(client_says_who_it_asks)
{
    struct wr_client *client = new_client();
    bool socket = getenv("WARREN_SOCKET") != NULL;

    CHECK_INT(wr_client_backend(client), socket ? WR_BACKEND_SOCKET : WR_BACKEND_E2B);
    if (socket)
        CHECK_STR(wr_client_name(client), getenv("WARREN_SOCKET"));
    DO(wr_client_check(client, NULL, &err));
    end(client, NULL);
}

TEST(client_with_a_wrong_key)
{
    struct wr_error error = {0};

    if (getenv("E2B_API_KEY") == NULL)
        setenv("E2B_API_URL", "http://127.0.0.1:1", 1); /* nobody is there */
    unsetenv("WARREN_SOCKET");
    bool reaches = getenv("E2B_API_KEY") != NULL;
    struct wr_client *client =
        wr_client_new(WR_OPTS(wr_client_opts, .backend = WR_BACKEND_E2B,
                              .api_key = "e2b_0000000000000000000000000000000000000000"),
                      &error);
    CHECK(client != NULL);
    FAILS(reaches ? WR_E_UNAUTHENTICATED : WR_E_UNAVAILABLE, wr_client_check(client, NULL, &err));
    end(client, NULL);
}

TEST(client_without_a_server)
{
    struct wr_error error = {0};
    struct wr_client *client = wr_client_new(
        WR_OPTS(wr_client_opts, .backend = WR_BACKEND_SOCKET, .socket_path = "/nonexistent/socket"),
        &error);
    struct wr_sandbox *sandbox = NULL;

    CHECK(client != NULL);
    FAILS(WR_E_UNAVAILABLE, wr_sandbox_create(client, NULL, NULL, &sandbox, &err));
    CHECK(sandbox == NULL);
    end(client, NULL);
}

static bool is_listed(struct wr_client *client, const char *const *metadata, size_t count,
                      const char *id)
{
    struct wr_value *list = NULL;
    bool found = false;

    DO(wr_sandbox_list(client, metadata, count, NULL, &list, &err));
    for (size_t i = 0; i < wr_value_count(list); i++)
        found |= strcmp(wr_value_string(wr_value_at(list, i), "sandboxID"), id) == 0;
    wr_value_free(list);
    return found;
}

TEST(sandbox_from_creation_to_end)
{
    const char *const metadata[] = {"purpose=client check", "sign=a&b=c%d \xc3\xa9/+"};
    const char *const other[] = {"purpose=another"};
    const char *const envs[] = {"GREETING=hello from outside"};
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = NULL;
    struct wr_value *info = NULL, *metrics = NULL, *result = NULL;

    DO(wr_sandbox_create(client,
                         WR_OPTS(wr_sandbox_opts, .metadata = metadata, .metadata_count = 2,
                                 .envs = envs, .env_count = 1),
                         NULL, &sandbox, &err));
    const char *id = wr_sandbox_id(sandbox);
    CHECK(strlen(id) >= 20);
    CHECK(wr_sandbox_client(sandbox) == client);
    DO(wr_sandbox_info(sandbox, NULL, &info, &err));
    CHECK_STR(wr_value_string(info, "sandboxID"), id);
    CHECK_STR(wr_value_string(info, "state"), "running");
    CHECK_STR(wr_value_string(wr_value_get(info, "metadata"), "sign"), "a&b=c%d \xc3\xa9/+");
    CHECK_STR(wr_value_string(info, "envdAccessToken"), "");
    CHECK(is_listed(client, NULL, 0, id));
    CHECK(is_listed(client, metadata, 1, id));
    CHECK(is_listed(client, metadata, 2, id));
    CHECK(!is_listed(client, other, 1, id));
    DO(wr_sandbox_set_timeout(sandbox, 300, NULL, &err));
    DO(wr_sandbox_metrics(sandbox, NULL, &metrics, &err));
    result = run_code(sandbox, "import os; os.environ['GREETING']");
    CHECK_STR(main_text(result), "hello from outside");

    DO(wr_sandbox_kill(sandbox, NULL, &err));
    DO(wr_sandbox_kill(sandbox, NULL, &err));
    DO(wr_sandbox_kill_id(client, id, NULL, &err));
    CHECK(!is_listed(client, NULL, 0, id));
    wr_value_free(info);
    FAILS(WR_E_NOT_FOUND, wr_sandbox_info(sandbox, NULL, &info, &err));
    FAILS(WR_E_NOT_FOUND, wr_sandbox_set_timeout(sandbox, 10, NULL, &err));
    wr_value_free(result);
    FAILS(WR_E_ABORTED,
          wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "1"), NULL, &result, &err));
    FAILS(WR_E_ABORTED, wr_program_run(sandbox, WR_OPTS(wr_program_opts, .command = "true"), NULL,
                                       &result, &err));
    FAILS(WR_E_ABORTED, wr_files_make_dir(sandbox, "x", NULL, NULL, &err));
    wr_value_free(metrics);
    wr_sandbox_free(sandbox);
    wr_client_free(client);
}

TEST(sandbox_found_again)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client), *again = NULL;

    wr_value_free(run_code(sandbox, "x = 40"));
    DO(wr_sandbox_connect(client, wr_sandbox_id(sandbox), 60, NULL, &again, &err));
    CHECK_STR(wr_sandbox_id(again), wr_sandbox_id(sandbox));
    struct wr_value *result = run_code(again, "x + 2");
    CHECK_STR(main_text(result), "42");
    wr_value_free(result);
    DO(wr_sandbox_kill(again, NULL, &err));
    wr_sandbox_free(again);
    FAILS(WR_E_NOT_FOUND,
          wr_sandbox_connect(client, wr_sandbox_id(sandbox), 60, NULL, &again, &err));
    end(client, sandbox);
}

TEST(sandbox_handle_outlives_the_clients_holder)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);

    wr_client_free(client);
    struct wr_value *result = run_code(sandbox, "6 * 7");
    CHECK_STR(main_text(result), "42");
    wr_value_free(result);
    end(NULL, sandbox);
}

TEST(sandbox_of_an_unknown_template)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = NULL;

    FAILS(WR_E_NOT_FOUND,
          wr_sandbox_create(client, WR_OPTS(wr_sandbox_opts, .template_name = "no-such-template"),
                            NULL, &sandbox, &err));
    end(client, NULL);
}

TEST(sandbox_host)
{
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);
    struct wr_error err = {0};
    char *host = NULL, wanted[64];

    if (wr_sandbox_host(sandbox, 8000, &host, &err) == 0) {
        snprintf(wanted, sizeof wanted, "8000-%s.", wr_sandbox_id(sandbox));
        CHECK(strncmp(host, wanted, strlen(wanted)) == 0);
        wr_free(host);
    } else {
        CHECK_INT(err.code, WR_E_FAILED_PRECONDITION);
        CHECK(getenv("E2B_DOMAIN") == NULL);
    }
    end(client, sandbox);
}

TEST(options_that_are_wrong)
{
    const char *const not_a_pair[] = {"NAME"};
    const char *const twice[] = {"A=1", "A=2"};
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = NULL;
    const struct wr_sandbox_opts no_size = {0};

    FAILS(WR_E_INVALID_ARGUMENT, wr_sandbox_create(client, &no_size, NULL, &sandbox, &err));
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_sandbox_create(client, WR_OPTS(wr_sandbox_opts, .envs = not_a_pair, .env_count = 1),
                            NULL, &sandbox, &err));
    FAILS(WR_E_INVALID_ARGUMENT,
          wr_sandbox_create(client, WR_OPTS(wr_sandbox_opts, .envs = twice, .env_count = 2), NULL,
                            &sandbox, &err));
    FAILS(WR_E_INVALID_ARGUMENT, wr_sandbox_kill_id(client, "../etc", NULL, &err));
    end(client, NULL);
}
