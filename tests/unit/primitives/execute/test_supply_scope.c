#include "primitives/execute/supply_scope.h"
#include "test.h"
#include "warren/sandbox.h"

static const char *const one[] = {"A=1"}, *const two[] = {"A=1", "B=2"};

static const struct wr_sandbox_opts sandboxes[] = {
    {0},
    {.template_name = "base"},
    {.template_name = ""},
    {.envs = one, .env_count = 1},
    {.envs = two, .env_count = 2},
    {.no_internet = true},
    {.allow_out = one, .allow_out_count = 1},
    {.deny_out = one, .deny_out_count = 1},
    {.volumes = one, .volume_count = 1},
    {.memory_bytes = 1},
    {.cpu_millis = 1},
};
#define SANDBOXES (sizeof sandboxes / sizeof *sandboxes)

static void scope_of(struct wr_supply_scope scope, char ret[static WR_PRIMITIVE_SCOPE_MAX])
{
    wr_supply_scope_write(&scope, ret);
    CHECK_INT(strlen(ret), 64);
}

TEST(what_decides_results_is_in_it)
{
    char scopes[SANDBOXES][WR_PRIMITIVE_SCOPE_MAX];
    for (size_t i = 0; i < SANDBOXES; i++) {
        scope_of((struct wr_supply_scope){"pool", "b", NULL, &sandboxes[i]}, scopes[i]);
        for (size_t k = 0; k < i; k++)
            CHECK(strcmp(scopes[i], scopes[k]) != 0);
    }
    char other[WR_PRIMITIVE_SCOPE_MAX];
    scope_of((struct wr_supply_scope){"session", "b", NULL, &sandboxes[0]}, other);
    CHECK(strcmp(other, scopes[0]) != 0);
    scope_of((struct wr_supply_scope){"pool", "c", NULL, &sandboxes[0]}, other);
    CHECK(strcmp(other, scopes[0]) != 0);
    scope_of((struct wr_supply_scope){"pool", "b", "", &sandboxes[0]}, other);
    CHECK(strcmp(other, scopes[0]) != 0);
}

TEST(what_does_not_decide_is_not)
{
    const struct wr_sandbox_opts other = {
        .metadata = one, .metadata_count = 1, .timeout_s = 5, .auto_pause = true};
    char a[WR_PRIMITIVE_SCOPE_MAX], b[WR_PRIMITIVE_SCOPE_MAX];
    scope_of((struct wr_supply_scope){"pool", "b", NULL, &sandboxes[0]}, a);
    scope_of((struct wr_supply_scope){"pool", "b", NULL, &other}, b);
    CHECK_STR(b, a);
}
