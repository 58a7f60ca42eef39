#include <math.h>

#include "base/alloc.h"
#include "base/str.h"
#include "primitives/observe/metric_store.h"
#include "test.h"

static const struct wr_metric_series *series_of(const struct wr_metric_series *series, size_t count,
                                                const char *label)
{
    for (size_t i = 0; i < count; i++)
        if (wr_streq(series[i].label, label))
            return &series[i];
    return NULL;
}

TEST(values_are_there_from_the_start)
{
    struct wr_metric_store *store = wr_metric_store_new();

    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        wr_auto_free struct wr_metric_series *series = NULL;
        bool labeled = wr_metric_info((enum wr_metric)i)->label;
        CHECK_INT(wr_metric_store_read(store, (enum wr_metric)i, &series), labeled ? 0 : 1);
    }
    wr_metric_store_free(store);
}

TEST(counters_gauges_and_what_is_no_amount)
{
    struct wr_metric_store *store = wr_metric_store_new();

    wr_metric_store_add(store, WR_METRIC_REQUESTS, NULL, 2);
    wr_metric_store_add(store, WR_METRIC_REQUESTS, "ignored: it has no label", 0.5);
    wr_metric_store_add(store, WR_METRIC_REQUESTS, NULL, -1);
    wr_metric_store_add(store, WR_METRIC_REQUESTS, NULL, NAN);
    wr_metric_store_set(store, WR_METRIC_REQUESTS, NULL, 100); /* is no gauge */
    CHECK(wr_metric_store_value(store, WR_METRIC_REQUESTS) == 2.5);

    wr_metric_store_add(store, WR_METRIC_ACTIVE, NULL, 2);
    wr_metric_store_add(store, WR_METRIC_ACTIVE, NULL, -3);
    CHECK(wr_metric_store_value(store, WR_METRIC_ACTIVE) == -1);
    wr_metric_store_set(store, WR_METRIC_ACTIVE, NULL, 7);
    wr_metric_store_set(store, WR_METRIC_ACTIVE, NULL, INFINITY);
    wr_metric_store_observe(store, WR_METRIC_ACTIVE, 1); /* is no histogram */
    CHECK(wr_metric_store_value(store, WR_METRIC_ACTIVE) == 7);
    wr_metric_store_free(store);
}

TEST(buckets_have_their_bound_inside)
{
    const struct wr_metric_info *info = wr_metric_info(WR_METRIC_SANDBOX_CREATE);
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_free struct wr_metric_series *series = NULL;

    for (size_t i = 0; i < info->bound_count; i++) {
        wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE, info->bounds[i]);
        wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE,
                                nextafter(info->bounds[i], INFINITY));
    }
    wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE, -1); /* counts as 0 */
    wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE, NAN);
    CHECK_INT(wr_metric_store_read(store, WR_METRIC_SANDBOX_CREATE, &series), 1);
    CHECK_INT(series->counts[0], 2);
    for (size_t i = 1; i < info->bound_count; i++)
        CHECK_INT(series->counts[i], 2);
    CHECK_INT(series->counts[info->bound_count], 1);
    wr_metric_store_free(store);
}

TEST(label_values_are_bounded)
{
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_free struct wr_metric_series *series = NULL;
    char label[32];

    for (int i = 0; i < WR_METRIC_LABEL_VALUES + 5; i++) {
        CHECK(wr_strformat(label, sizeof label, "class-%d", i));
        wr_metric_store_add(store, WR_METRIC_ERRORS, label, 1);
    }
    wr_metric_store_add(store, WR_METRIC_ERRORS, "class-99", 1); /* the last one that is known */
    size_t count = wr_metric_store_read(store, WR_METRIC_ERRORS, &series);
    CHECK_INT(count, WR_METRIC_LABEL_VALUES + 1);
    CHECK(series_of(series, count, "class-99")->value == 2);
    CHECK(!series_of(series, count, "class-100"));
    CHECK(series_of(series, count, "other")->value == 5);
    wr_metric_store_free(store);
}

TEST(label_values_are_cut_and_made_text)
{
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_free struct wr_metric_series *series = NULL;
    char fits[WR_METRIC_LABEL_MAX], longer[WR_METRIC_LABEL_MAX + 1];

    memset(fits, 'a', sizeof fits - 1);
    memset(longer, 'a', sizeof longer - 1);
    fits[sizeof fits - 1] = longer[sizeof longer - 1] = '\0';
    wr_metric_store_add(store, WR_METRIC_ERRORS, fits, 1);
    wr_metric_store_add(store, WR_METRIC_ERRORS, longer, 1);
    wr_metric_store_add(store, WR_METRIC_ERRORS, "\xff\"x", 1);
    wr_metric_store_add(store, WR_METRIC_ERRORS, NULL, 1);
    size_t count = wr_metric_store_read(store, WR_METRIC_ERRORS, &series);
    CHECK_INT(count, 3);
    CHECK(series_of(series, count, fits)->value == 2);
    CHECK(series_of(series, count, "?\"x")->value == 1);
    CHECK(series_of(series, count, "")->value == 1);
    wr_metric_store_free(store);
}
