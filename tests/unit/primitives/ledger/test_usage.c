#include <math.h>

#include "json/value.h"
#include "ledger_scene.h"
#include "test.h"

static struct wr_value *usage_of(struct ledger_scene *scene, uint64_t period_s)
{
    struct wr_value *usage = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_ledger_usage(scene->ledger, period_s, &usage, &err), 0);
    return usage;
}

TEST(nothing_yet)
{
    struct ledger_scene scene;

    scene_begin(&scene);
    wr_auto_value *usage = usage_of(&scene, 0);
    CHECK_INT(wr_value_int(usage, "period_s", 0), 2592000);
    CHECK_INT(wr_value_int(usage, "executions", -1), 0);
    CHECK(wr_value_double(usage, "sandbox_hours", -1) == 0);
    CHECK_INT(wr_value_count(wr_value_get(usage, "by_backend")), 0);
    CHECK_INT(wr_value_count(wr_value_get(usage, "by_day")), 0);
    CHECK_INT(wr_value_count(wr_value_get(usage, "by_error")), 0);
    scene_end(&scene);
}

TEST(sums)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry fine = entry_of(&scene, 0, 100), failed = entry_of(&scene, 0, -1),
                           gone = entry_of(&scene, 25 * HOUR_MS, 50);

    failed.code_succeeded = false;
    failed.backend = "b";
    gone.error_code = WR_E_UNAVAILABLE;
    gone.code_succeeded = false;
    gone.held_ms = 1.8e6;
    scene_add(&scene, &fine);
    scene_add(&scene, &fine);
    scene_add(&scene, &failed);
    scene_add(&scene, &gone);
    gone.error_code = WR_E_DEADLINE_EXCEEDED;
    scene_add(&scene, &gone);

    wr_auto_value *usage = usage_of(&scene, 0);
    CHECK_INT(wr_value_int(usage, "executions", -1), 5);
    CHECK_INT(wr_value_int(usage, "succeeded", -1), 2);
    CHECK_INT(wr_value_int(usage, "failed", -1), 1);
    CHECK_INT(wr_value_int(usage, "errors", -1), 2);
    CHECK_INT(wr_value_int(usage, "sandboxes", -1), 4);
    CHECK(fabs(wr_value_double(usage, "sandbox_hours", -1) - (1.0 + 3.0 / 3600)) < 1e-9);

    const struct wr_value *backends = wr_value_get(usage, "by_backend");
    CHECK_INT(wr_value_int(wr_value_get(backends, "a"), "executions", -1), 4);
    CHECK_INT(wr_value_int(wr_value_get(backends, "b"), "failed", -1), 1);
    CHECK_INT(wr_value_int(wr_value_get(backends, "b"), "sandboxes", -1), 0);

    const struct wr_value *days = wr_value_get(usage, "by_day");
    CHECK_INT(wr_value_count(days), 2);
    CHECK_STR(wr_value_string(wr_value_at(days, 0), "day"), "2023-11-13");
    CHECK_INT(wr_value_int(wr_value_at(days, 0), "errors", -1), 2);
    CHECK_STR(wr_value_string(wr_value_at(days, 1), "day"), "2023-11-14");
    CHECK_INT(wr_value_int(wr_value_at(days, 1), "executions", -1), 3);

    const struct wr_value *errors = wr_value_get(usage, "by_error");
    CHECK_INT(wr_value_count(errors), 3);
    CHECK_INT(wr_value_int(errors, "service", -1), 1);
    CHECK_INT(wr_value_int(errors, "timeout", -1), 1);
    CHECK_INT(wr_value_int(errors, "code", -1), 1);
    scene_end(&scene);
}

TEST(the_period_has_two_sides)
{
    struct ledger_scene scene;
    scene_begin(&scene);
    struct wr_ledger_entry inside = entry_of(&scene, HOUR_MS, 100),
                           outside = entry_of(&scene, HOUR_MS + 1, 100);

    scene_add(&scene, &inside);
    scene_add(&scene, &outside);
    wr_auto_value *hour = usage_of(&scene, 3600);
    wr_auto_value *longer = usage_of(&scene, 3601);
    wr_auto_value *forever = usage_of(&scene, UINT64_MAX);
    CHECK_INT(wr_value_int(hour, "executions", -1), 1);
    CHECK_INT(wr_value_int(longer, "executions", -1), 2);
    CHECK_INT(wr_value_int(forever, "executions", -1), 2);
    scene_end(&scene);
}
