#include <stdlib.h>

#include "base/error.h"
#include "json/jread.h"
#include "primitives/secure/token_literals.h"
#include "test.h"

TEST(names)
{
    static const char *const secret[] = {
        "GITHUB_TOKEN",   "api_key",    "DbPassword", "AWS_SECRET_ACCESS_KEY",
        "SESSION_COOKIE", "SENTRY_DSN", "HTTP_AUTH"};
    static const char *const plain[] = {"PATH", "HOME", "LANG", "TRACEPARENT", "N", "REGION"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(secret); i++)
        CHECK(wr_env_name_is_secret(secret[i]));
    for (size_t i = 0; i < WR_ARRAY_SIZE(plain); i++)
        CHECK(!wr_env_name_is_secret(plain[i]));
}

TEST(values)
{
    wr_auto_json *one = json_pack("{s:s, s:s, s:s, s:i}", "A_TOKEN", "abcd", "B_TOKEN", "abc",
                                  "PATH", "/usr/bin", "C_KEY", 12345);
    wr_auto_json *two = json_pack("{s:s}", "PASSWORD", "geheim");
    const json_t *const envs[] = {one, NULL, two};
    struct wr_error err = {0};
    const char **found = NULL;
    size_t count = 99;

    CHECK_INT(wr_env_secrets(envs, 3, &found, &count, &err), 0);
    CHECK_INT(count, 2);
    CHECK_STR(found[0], "abcd");
    CHECK_STR(found[1], "geheim");
    free(found);
    CHECK_INT(wr_env_secrets(envs + 1, 1, &found, &count, &err), 0);
    CHECK_INT(count, 0);
    free(found);
}
