/* /sandboxes/{id}/metrics, /sandboxes/metrics and /teams/{id}/metrics, with samples of the fake
 * engine. */
#include <poll.h>
#include <time.h>

#include "base/str.h"
#include "server_fixture.h"
#include "test.h"

#define TRIES 100 /* of 100 ms */

static const char *const members[] = {
    "timestamp", "timestampUnix", "cpuCount", "cpuUsedPct", "memUsed",
    "memTotal",  "memCache",      "diskUsed", "diskTotal",
};

static void check_members(const json_t *metric)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(members); i++)
        if (!json_object_get(metric, members[i]))
            wr_test_fail(__FILE__, __LINE__, "no %s", members[i]);
}

/* Asks until the list is not empty. */
static json_t *wait_for_list(struct fixture *f, int key, const char *target)
{
    json_t *list = NULL;

    for (unsigned i = 0; i < TRIES; i++) {
        json_decref(list);
        list = NULL;
        CHECK_INT(api(f, key, "GET", target, NULL, &list), 200);
        CHECK(json_is_array(list));
        if (json_array_size(list) > 0)
            return list;
        poll(NULL, 0, 100);
    }
    wr_test_fail(__FILE__, __LINE__, "%s stays empty", target);
}

TEST(a_sandbox_is_sampled)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], path[64], target[160];
    json_t *list = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    CHECK(wr_strformat(path, sizeof path, "/sandboxes/%s/metrics", id));
    json_t *samples = wait_for_list(&f, 0, path);
    const json_t *first = json_array_get(samples, 0);
    check_members(first);
    CHECK_INT(json_integer_value(json_object_get(first, "memUsed")), 4096);
    CHECK_INT(json_integer_value(json_object_get(first, "cpuCount")), 2);
    json_int_t at_s = json_integer_value(json_object_get(first, "timestampUnix"));
    CHECK(at_s > 1700000000 && at_s <= time(NULL));
    refused(&f, 1, "GET", path, NULL, 404, "doesn't exist or you don't have access to it");

    /* In its second, before it, and at once with live figures. */
    CHECK(wr_strformat(target, sizeof target, "%s?start=%lld&end=%lld", path, (long long)at_s,
                       (long long)at_s));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &list), 200);
    CHECK_INT(json_array_size(list), 1);
    json_decref(list);
    CHECK(wr_strformat(target, sizeof target, "%s?start=%lld&end=%lld", path,
                       (long long)at_s - 3600, (long long)at_s - 1));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &list), 200);
    CHECK_INT(json_array_size(list), 0);
    json_decref(list);
    CHECK(wr_strformat(target, sizeof target, "%s?live=true", path));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &list), 200);
    CHECK_INT(json_array_size(list), 1);
    check_members(json_array_get(list, 0));
    CHECK(json_object_get(json_array_get(list, 0), "pids"));
    CHECK(json_object_get(json_array_get(list, 0), "oomKills"));
    json_decref(list);
    json_decref(samples);
    stop(&f);
}

TEST(ranges_that_are_refused)
{
    static const struct {
        const char *query, *message;
    } bad[] = {
        {"start=x", "start"},
        {"start=-1", "start"},
        {"start=1.5", "start"},
        {"end=999999999999999", "end"},
        {"start=20&end=10", "start time cannot be after"},
        {"end=9999999999", "end time cannot be after"},
        {"start=9999999999", "start time cannot be after"},
    };
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[160];
    json_t *list = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s/metrics?%s", id, bad[i].query));
        refused(&f, 0, "GET", target, NULL, 400, bad[i].message);
    }
    /* Rounded up by a client. */
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s/metrics?start=%lld", id,
                       (long long)time(NULL) + 2));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &list), 200);
    CHECK_INT(json_array_size(list), 0);
    json_decref(list);
    refused(&f, 0, "GET", "/sandboxes/nonexistingsandbox/metrics", NULL, 404, "doesn't exist");
    stop(&f);
}

TEST(the_last_samples_of_many)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char mine[21], foreign[21], path[64], target[2600];
    json_t *all = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", mine));
    json_decref(created(&f, 1, "/sandboxes", "{\"templateID\":\"base\"}", foreign));
    CHECK(wr_strformat(path, sizeof path, "/sandboxes/%s/metrics", mine));
    json_decref(wait_for_list(&f, 0, path));
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/metrics?sandbox_ids=%s,%s,nobody,%s",
                       foreign, mine, "aaaaaaaaaaaaaaaaaaaa"));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &all), 200);
    const json_t *sandboxes = json_object_get(all, "sandboxes");
    CHECK_INT(json_object_size(sandboxes), 1);
    check_members(json_object_get(sandboxes, mine));
    json_decref(all);

    refused(&f, 0, "GET", "/sandboxes/metrics", NULL, 400, "sandbox_ids");
    refused(&f, 0, "GET", "/sandboxes/metrics?sandbox_ids=", NULL, 400, "sandbox_ids");
    CHECK(wr_strcopy(target, sizeof target, "/sandboxes/metrics?sandbox_ids=a"));
    for (unsigned i = 0; i < 99; i++)
        CHECK(wr_strcopy(target + strlen(target), sizeof target - strlen(target), ",a"));
    CHECK_INT(api(&f, 0, "GET", target, NULL, NULL), 200);
    CHECK(wr_strcopy(target + strlen(target), sizeof target - strlen(target), ",a"));
    refused(&f, 0, "GET", target, NULL, 400, "at most 100");
    stop(&f);
}

TEST(figures_of_a_team)
{
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], path[96], max[160];
    json_t *teams = NULL, *maximum = NULL;

    CHECK_INT(api(&f, 0, "GET", "/teams", NULL, &teams), 200);
    const char *team = text_of(json_array_get(teams, 0), "teamID");
    CHECK(wr_strformat(path, sizeof path, "/teams/%s/metrics", team));
    CHECK(wr_strformat(max, sizeof max, "%s/max?metric=concurrent_sandboxes", path));
    CHECK_INT(api(&f, 0, "GET", max, NULL, &maximum), 200);
    CHECK(json_number_value(json_object_get(maximum, "value")) == 0.0);
    json_decref(maximum);

    for (unsigned i = 0; i < 3; i++)
        json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    json_t *list = wait_for_list(&f, 0, path);
    const json_t *first = json_array_get(list, 0);
    CHECK_INT(json_integer_value(json_object_get(first, "concurrentSandboxes")), 3);
    CHECK(json_object_get(first, "timestamp") && json_object_get(first, "timestampUnix"));
    CHECK(json_is_number(json_object_get(first, "sandboxStartRate")));
    CHECK_INT(api(&f, 0, "GET", max, NULL, &maximum), 200);
    CHECK(json_number_value(json_object_get(maximum, "value")) == 3.0);
    json_decref(maximum);

    refused(&f, 1, "GET", path, NULL, 403, "don't have access");
    CHECK(wr_strformat(max, sizeof max, "%s/max?metric=x", path));
    refused(&f, 0, "GET", max, NULL, 400, "metric");
    CHECK(wr_strformat(max, sizeof max, "%s?end=9999999999", path));
    refused(&f, 0, "GET", max, NULL, 400, "end time cannot be after");
    json_decref(list);
    json_decref(teams);
    stop(&f);
}
