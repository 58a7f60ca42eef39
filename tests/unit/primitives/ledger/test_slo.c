#include "json/value.h"
#include "ledger_scene.h"
#include "test.h"

static struct wr_value *slo_of(struct ledger_scene *scene, const struct wr_slo_opts *opts)
{
    struct wr_value *slo = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_ledger_slo(scene->ledger, opts, &slo, &err), 0);
    return slo;
}

static const json_t *member(const struct wr_value *value, const char *part, const char *key)
{
    const json_t *json = wr_value_json(value);

    return json_object_get(part ? json_object_get(json, part) : json, key);
}

static double number(const struct wr_value *value, const char *part, const char *key)
{
    CHECK(json_is_number(member(value, part, key)));
    return json_number_value(member(value, part, key));
}

static void add(struct ledger_scene *scene, double create_ms, int error_code)
{
    struct wr_ledger_entry entry = entry_of(scene, 0, create_ms);

    entry.error_code = error_code;
    scene_add(scene, &entry);
}

TEST(nothing_yet_is_neither_good_nor_bad)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    wr_auto_value *slo = slo_of(&scene, NULL);
    CHECK(json_is_null(member(slo, NULL, "met")));
    CHECK(json_is_null(member(slo, "create", "p95_ms")));
    CHECK(json_is_null(member(slo, "create", "met")));
    CHECK(json_is_null(member(slo, "success", "rate")));
    CHECK(number(slo, "create", "target_p95_ms") == 200);
    CHECK(number(slo, "success", "target") == 0.99);
    CHECK(number(slo, "error_budget", "remaining") == 1);
    CHECK_INT(wr_value_int(slo, "period_s", 0), 2592000);
    scene_end(&scene);
}

TEST(percentiles_are_the_nearest_rank)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    for (int i = 100; i >= 1; i--)
        add(&scene, i, 0);
    wr_auto_value *hundred = slo_of(&scene, NULL);
    CHECK(number(hundred, "create", "p50_ms") == 50);
    CHECK(number(hundred, "create", "p95_ms") == 95);
    CHECK(number(hundred, "create", "p99_ms") == 99);
    add(&scene, 1000, 0);
    wr_auto_value *more = slo_of(&scene, NULL); /* rank 95.95 is the 96th */
    CHECK(number(more, "create", "p95_ms") == 96);
    CHECK(number(more, "create", "p50_ms") == 51);
    scene_end(&scene);
}

TEST(a_rank_is_rounded_up)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    for (int i = 1; i <= 19; i++)
        add(&scene, i, 0);
    wr_auto_value *slo = slo_of(&scene, NULL); /* rank 18.05 is the 19th */
    CHECK(number(slo, "create", "p95_ms") == 19);
    CHECK(number(slo, "create", "p50_ms") == 10);
    scene_end(&scene);
}

TEST(one_creation_is_all_percentiles)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    add(&scene, 7.5, 0);
    add(&scene, -1, 0); /* none: the sandbox was there */
    wr_auto_value *slo = slo_of(&scene, NULL);
    CHECK(number(slo, "create", "p50_ms") == 7.5);
    CHECK(number(slo, "create", "p99_ms") == 7.5);
    CHECK(number(slo, NULL, "executions") == 2);
    scene_end(&scene);
}

TEST(targets_have_two_sides)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    for (int i = 0; i < 99; i++)
        add(&scene, 200, 0);
    add(&scene, 200, WR_E_UNAVAILABLE);
    wr_auto_value *met = slo_of(&scene, NULL); /* 200 ms and 99 %, exactly */
    CHECK(json_is_true(member(met, "create", "met")));
    CHECK(json_is_true(member(met, "success", "met")));
    CHECK(json_is_true(member(met, NULL, "met")));
    CHECK(number(met, "error_budget", "allowed") == 1);
    CHECK(number(met, "error_budget", "used") == 1);
    CHECK(number(met, "error_budget", "remaining") == 0);

    wr_auto_value *tight = slo_of(&scene, WR_OPTS(wr_slo_opts, .create_p95_ms = 199.9));
    CHECK(json_is_false(member(tight, "create", "met")));
    CHECK(json_is_false(member(tight, NULL, "met")));

    add(&scene, 200, WR_E_INTERNAL);
    wr_auto_value *missed = slo_of(&scene, NULL);
    CHECK(json_is_false(member(missed, "success", "met")));
    CHECK(json_is_false(member(missed, NULL, "met")));
    CHECK(number(missed, "error_budget", "remaining") == 0);
    scene_end(&scene);
}

TEST(only_errors_of_the_service_count)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    add(&scene, -1, WR_E_INVALID_ARGUMENT);
    add(&scene, -1, WR_E_DEADLINE_EXCEEDED);
    add(&scene, -1, WR_E_CANCELED);
    add(&scene, -1, WR_E_RESOURCE_EXHAUSTED);
    add(&scene, -1, WR_E_UNAUTHENTICATED);
    wr_auto_value *slo = slo_of(&scene, NULL);
    CHECK(number(slo, "success", "rate") == 1);
    CHECK(json_is_true(member(slo, NULL, "met"))); /* no creation: nothing was slow */
    CHECK(json_is_null(member(slo, "create", "met")));
    scene_end(&scene);
}

TEST(the_budget)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    for (int i = 0; i < 40; i++)
        add(&scene, -1, i == 0 ? WR_E_UNAVAILABLE : 0);
    wr_auto_value *tenth = slo_of(&scene, WR_OPTS(wr_slo_opts, .success_rate = 0.9));
    CHECK(number(tenth, "error_budget", "allowed") == 4);
    CHECK(number(tenth, "error_budget", "remaining") == 0.75);
    wr_auto_value *none = slo_of(&scene, WR_OPTS(wr_slo_opts, .success_rate = 1));
    CHECK(number(none, "error_budget", "allowed") == 0);
    CHECK(number(none, "error_budget", "remaining") == 0);
    CHECK(json_is_false(member(none, "success", "met")));
    scene_end(&scene);
}

TEST(options_that_are_none)
{
    struct ledger_scene scene;
    struct wr_value *slo = NULL;
    struct wr_error err = {0};

    scene_begin(&scene);
    CHECK_INT(wr_ledger_slo(scene.ledger, WR_OPTS(wr_slo_opts, .success_rate = 1.01), &slo, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_ledger_slo(scene.ledger, WR_OPTS(wr_slo_opts, .success_rate = -0.1), &slo, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_ledger_slo(scene.ledger, WR_OPTS(wr_slo_opts, .create_p95_ms = -1), &slo, &err),
              -WR_E_INVALID_ARGUMENT);
    CHECK_INT(wr_ledger_slo(NULL, NULL, &slo, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!slo);
    scene_end(&scene);
}
