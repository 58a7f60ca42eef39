#include "base/str.h"
#include "primitives/observe/prometheus_page.h"
#include "test.h"

static const char *page_of(struct wr_metric_store *store, struct wr_buf *out)
{
    CHECK_INT(wr_prometheus_page(store, out), 0);
    return wr_buf_cstr(out);
}

TEST(each_metric_has_help_and_type)
{
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_buf out = WR_BUF(WR_PROMETHEUS_PAGE_MAX);
    const char *page = page_of(store, &out);
    char line[160];

    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        static const char *const kinds[] = {"counter", "gauge", "histogram"};
        const struct wr_metric_info *info = wr_metric_info((enum wr_metric)i);
        CHECK(wr_strformat(line, sizeof line, "# TYPE %s %s\n", info->name, kinds[info->kind]));
        CHECK(strstr(page, line));
    }
    CHECK(strstr(page, "\ncode_execution_requests_total 0\n"));
    CHECK(strstr(page, "\ncode_execution_duration_seconds_bucket{le=\"+Inf\"} 0\n"));
    wr_metric_store_free(store);
}

TEST(values_and_labels)
{
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_buf out = WR_BUF(WR_PROMETHEUS_PAGE_MAX);

    wr_metric_store_add(store, WR_METRIC_ERRORS, "a\"b\\c\nd", 2);
    wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE, 0.15);
    wr_metric_store_observe(store, WR_METRIC_SANDBOX_CREATE, 0.25);
    const char *page = page_of(store, &out);
    CHECK(strstr(page, "\ncode_execution_error_total{class=\"a\\\"b\\\\c\\nd\"} 2\n"));
    CHECK(strstr(page, "\ncode_execution_sandbox_create_seconds_bucket{le=\"0.1\"} 0\n"));
    CHECK(strstr(page, "\ncode_execution_sandbox_create_seconds_bucket{le=\"0.15\"} 1\n"));
    CHECK(strstr(page, "\ncode_execution_sandbox_create_seconds_bucket{le=\"0.3\"} 2\n"));
    CHECK(strstr(page, "\ncode_execution_sandbox_create_seconds_sum 0.4\n"));
    CHECK(strstr(page, "\ncode_execution_sandbox_create_seconds_count 2\n"));
    wr_metric_store_free(store);
}

TEST(the_fullest_page_fits)
{
    struct wr_metric_store *store = wr_metric_store_new();
    wr_auto_buf out = WR_BUF(WR_PROMETHEUS_PAGE_MAX);
    char label[WR_METRIC_LABEL_MAX];

    /* Each byte of the longest values is escaped. */
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++)
        for (int j = 0; j <= WR_METRIC_LABEL_VALUES; j++) {
            memset(label, '"', sizeof label - 1);
            label[sizeof label - 1] = '\0';
            label[0] = (char)('0' + j % 10);
            label[1] = (char)('0' + j / 10 % 10);
            label[2] = (char)('0' + j / 100);
            wr_metric_store_add(store, (enum wr_metric)i, label, 1.0 / 3);
        }
    CHECK(strstr(page_of(store, &out), "{class=\"other\"}"));
    wr_metric_store_free(store);
}
