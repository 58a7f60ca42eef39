#include "agent/env.h"
#include "test.h"

static const struct wr_user user = {.name = "user", .home = "/home/user"};

TEST(the_last_setting_wins)
{
    wr_auto_env env = {0};
    struct wr_error err;
    json_t *sandbox =
        json_pack("{s:s, s:s, s:s}", "A", "sandbox", "B", "sandbox", "HOME", "/elsewhere");
    json_t *request = json_pack("{s:s, s:s}", "B", "request", "PATH", "/only");

    CHECK_INT(wr_env_build(&env, &user, sandbox, request, &err), 0);
    CHECK_STR(wr_env_get(&env, "A"), "sandbox");
    CHECK_STR(wr_env_get(&env, "B"), "request");
    CHECK_STR(wr_env_get(&env, "HOME"), "/elsewhere");
    CHECK_STR(wr_env_get(&env, "PATH"), "/only");
    CHECK_STR(wr_env_get(&env, "USER"), "user");
    CHECK_STR(wr_env_get(&env, "LOGNAME"), "user");
    CHECK_INT(env.count, 6);
    CHECK(env.vars[6] == NULL);
    json_decref(sandbox);
    json_decref(request);
}

TEST(without_objects_only_the_basics)
{
    wr_auto_env env = {0};
    struct wr_error err;
    CHECK_INT(wr_env_build(&env, &user, NULL, NULL, &err), 0);
    CHECK_INT(env.count, 4);
    CHECK_STR(wr_env_get(&env, "PATH"), WR_ENV_DEFAULT_PATH);
    CHECK(wr_env_get(&env, "PAT") == NULL);
    CHECK(wr_env_get(&env, "PATHX") == NULL);
}

TEST(bad_names_and_values_are_refused)
{
    wr_auto_env env = {0};
    struct wr_error err;
    CHECK_INT(wr_env_set(&env, "", "x", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_env_set(&env, "A=B", "x", &err), -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_env_set(&env, "A", "x=y", &err), 0);

    json_t *number = json_pack("{s:i}", "A", 1);
    CHECK_INT(wr_env_merge(&env, number, "envs", &err), -WR_E_INVALID_ARGUMENT);
    json_decref(number);
    json_t *nul = json_object();
    json_object_set_new(nul, "A", json_stringn("a\0b", 3));
    CHECK_INT(wr_env_merge(&env, nul, "envs", &err), -WR_E_INVALID_ARGUMENT);
    json_decref(nul);
    CHECK_STR(wr_env_get(&env, "A"), "x=y");
}

TEST(the_number_of_variables_is_bounded)
{
    wr_auto_env env = {0};
    struct wr_error err;
    char name[16];
    for (int i = 0; i < WR_ENV_MAX_VARS; i++) {
        snprintf(name, sizeof(name), "V%d", i);
        CHECK_INT(wr_env_set(&env, name, "", &err), 0);
    }
    CHECK_INT(wr_env_set(&env, "ONE_MORE", "", &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_env_set(&env, "V0", "again", &err), 0);
}

TEST(the_size_is_bounded)
{
    wr_auto_env env = {0};
    struct wr_error err;
    char *value = malloc(WR_ENV_MAX_BYTES);
    CHECK(value != NULL);
    memset(value, 'v', WR_ENV_MAX_BYTES - 1);
    value[WR_ENV_MAX_BYTES - 1] = '\0';
    CHECK_INT(wr_env_set(&env, "A", value, &err), -WR_E_RESOURCE_EXHAUSTED);
    value[WR_ENV_MAX_BYTES - 3] = '\0'; /* "A=" + value + NUL fill it exactly */
    CHECK_INT(wr_env_set(&env, "A", value, &err), 0);
    CHECK_INT(wr_env_set(&env, "B", "", &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(wr_env_set(&env, "A", "", &err), 0);
    CHECK_INT(wr_env_set(&env, "B", "", &err), 0);
    free(value);
}

TEST(what_says_where_one_is_goes_before_the_sandbox_but_not_before_the_request)
{
    wr_auto_env env = {0};
    struct wr_error err;
    json_t *given = json_pack("{s:s, s:s}", "E2B_SANDBOX_ID", "given", "MINE", "1");
    json_t *sandbox = wr_env_of_sandbox(given, "the-id", "the-template");
    json_t *request = json_pack("{s:s}", "E2B_TEMPLATE_ID", "request");

    CHECK_STR(json_string_value(json_object_get(given, "E2B_SANDBOX_ID")), "given");
    CHECK_INT(wr_env_build(&env, &user, sandbox, request, &err), 0);
    CHECK_STR(wr_env_get(&env, "E2B_SANDBOX"), "true");
    CHECK_STR(wr_env_get(&env, "E2B_SANDBOX_ID"), "the-id");
    CHECK_STR(wr_env_get(&env, "E2B_TEMPLATE_ID"), "request");
    CHECK_STR(wr_env_get(&env, "MINE"), "1");
    json_decref(sandbox);
    sandbox = wr_env_of_sandbox(NULL, "the-id", "the-template");
    CHECK_INT(json_object_size(sandbox), 3);
    json_decref(sandbox);
    json_decref(given);
    json_decref(request);
}
