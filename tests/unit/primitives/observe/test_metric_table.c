#include <fcntl.h>

#include "base/file.h"
#include "base/str.h"
#include "primitives/observe/metric_table.h"
#include "test.h"

#define NAME_CHARS "abcdefghijklmnopqrstuvwxyz_"

TEST(each_metric_is_described)
{
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        const struct wr_metric_info *info = wr_metric_info((enum wr_metric)i);
        CHECK(info->name && wr_str_only(info->name, NAME_CHARS, 1, 60));
        CHECK(info->help && wr_ends_with(info->help, "."));
        CHECK(info->unit && *info->unit);
        CHECK_INT(wr_ends_with(info->name, "_total"), info->kind == WR_PROMETHEUS_COUNTER);
        for (size_t j = 0; j < i; j++)
            CHECK(!wr_streq(info->name, wr_metric_info((enum wr_metric)j)->name));
    }
}

TEST(histograms_have_rising_bounds)
{
    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        const struct wr_metric_info *info = wr_metric_info((enum wr_metric)i);
        CHECK_INT(info->bound_count > 0, info->kind == WR_PROMETHEUS_HISTOGRAM);
        CHECK(info->bound_count <= WR_METRIC_MAX_BOUNDS);
        for (size_t j = 1; j < info->bound_count; j++)
            CHECK(info->bounds[j - 1] < info->bounds[j]);
        /* The writer of histograms has no other labels than "le". */
        CHECK(info->bound_count == 0 || !info->label);
    }
}

/* ---- what else names metrics ---- */

/* A file of the source tree, whose root the environment has. */
static const char *read_source(const char *path, struct wr_buf *out)
{
    const char *root = getenv("WARREN_SOURCE_ROOT");
    char whole[512];

    if (!root)
        wr_test_fail(__FILE__, __LINE__, "WARREN_SOURCE_ROOT is not set; run it by meson test");
    CHECK(wr_strformat(whole, sizeof whole, "%s/%s", root, path));
    int r = wr_file_read(AT_FDCWD, whole, out);
    if (r < 0)
        wr_test_fail(__FILE__, __LINE__, "%s: %s", whole, strerror(-r));
    return wr_buf_cstr(out);
}

static bool is_metric(const char *name, size_t len)
{
    static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};

    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        const struct wr_metric_info *info = wr_metric_info((enum wr_metric)i);
        size_t last = info->kind == WR_PROMETHEUS_HISTOGRAM ? WR_ARRAY_SIZE(suffixes) - 1 : 0;
        for (size_t j = last > 0; j <= last; j++) {
            char series[96];
            CHECK(wr_strformat(series, sizeof series, "%s%s", info->name, suffixes[j]));
            if (strlen(series) == len && memcmp(series, name, len) == 0)
                return true;
        }
    }
    return false;
}

/* Checks each word of that beginning; how many there are. */
static size_t check_names(const char *text, const char *beginning)
{
    size_t count = 0;

    for (const char *at = strstr(text, beginning); at; at = strstr(at, beginning)) {
        size_t len = strspn(at, NAME_CHARS);
        bool whole = at == text || !strchr(NAME_CHARS, at[-1]);
        if (whole && !is_metric(at, len))
            wr_test_fail(__FILE__, __LINE__, "there is no metric %.*s", (int)len, at);
        count += whole;
        at += len;
    }
    return count;
}

TEST(the_dashboard_names_metrics_that_are_there)
{
    wr_auto_buf text = WR_BUF(1 << 20);
    const char *dashboard = read_source("deploy/grafana/code-execution.json", &text);

    CHECK(check_names(dashboard, "code_execution_") > 20);
    CHECK(check_names(dashboard, "primitive_") > 5);
    CHECK(check_names(dashboard, "orchestrator_") > 1);
    CHECK(check_names(dashboard, "warren_telemetry_") > 4);
}

TEST(the_guide_has_each_metric_and_no_other)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    wr_auto_buf text = WR_BUF(1 << 20);
    const char *guide = read_source("docs/guides/observability.md", &text);
    char row[160];
    size_t rows = 0;

    for (size_t i = 0; i < WR_METRIC_COUNT_; i++) {
        const struct wr_metric_info *info = wr_metric_info((enum wr_metric)i);
        CHECK(wr_strformat(row, sizeof row, "\n| `%s` | %s | %s%s%s ", info->name,
                           kinds[info->kind], info->label ? "`" : "",
                           info->label ? info->label : "", info->label ? "` |" : "|"));
        if (!strstr(guide, row))
            wr_test_fail(__FILE__, __LINE__, "the guide has no row%s", row);
    }
    for (size_t kind = 0; kind < WR_ARRAY_SIZE(kinds); kind++) {
        CHECK(wr_strformat(row, sizeof row, "` | %s | ", kinds[kind]));
        for (const char *at = strstr(guide, row); at; at = strstr(at + 1, row))
            rows++;
    }
    CHECK_INT(rows, WR_METRIC_COUNT_);
}
