#include "base/prometheus.h"
#include "test.h"

TEST(format)
{
    wr_auto_buf out = WR_BUF(4096);
    struct wr_prometheus page;
    wr_prometheus_init(&page, &out);
    wr_prometheus_family(&page, WR_PROMETHEUS_COUNTER, "warren_a_total", "Back\\slash and\nline.");
    wr_prometheus_sample(&page, NULL, NULL, UINT64_MAX);
    wr_prometheus_family(&page, WR_PROMETHEUS_GAUGE, "warren_b", "B \"quoted\".");
    wr_prometheus_sample(&page, "state", "a\\\"\n", 0);
    wr_prometheus_sample(&page, "state", "b", 2);
    CHECK_INT(wr_prometheus_finish(&page), 0);
    CHECK_STR(wr_buf_cstr(&out), "# HELP warren_a_total Back\\\\slash and\\nline.\n"
                                 "# TYPE warren_a_total counter\n"
                                 "warren_a_total 18446744073709551615\n"
                                 "# HELP warren_b B \"quoted\".\n"
                                 "# TYPE warren_b gauge\n"
                                 "warren_b{state=\"a\\\\\\\"\\n\"} 0\n"
                                 "warren_b{state=\"b\"} 2\n");
}

TEST(an_error_sticks)
{
    wr_auto_buf out = WR_BUF(20);
    struct wr_prometheus page;
    wr_prometheus_init(&page, &out);
    wr_prometheus_family(&page, WR_PROMETHEUS_GAUGE, "warren_b", "A text that is too long.");
    CHECK(wr_prometheus_finish(&page) < 0);
}

TEST(histogram_and_doubles)
{
    static const double bounds[] = {0.1, 1};
    static const uint64_t counts[] = {2, 0, 1};
    wr_auto_buf out = WR_BUF(4096);
    struct wr_prometheus page;
    wr_prometheus_init(&page, &out);
    wr_prometheus_family(&page, WR_PROMETHEUS_HISTOGRAM, "warren_s", "Seconds.");
    wr_prometheus_buckets(&page, &(struct wr_prometheus_histogram){bounds, counts, 2, 3.25});
    wr_prometheus_family(&page, WR_PROMETHEUS_GAUGE, "warren_g", "Ratio.");
    wr_prometheus_sample_double(&page, "limit", "hours", 0.5);
    CHECK_INT(wr_prometheus_finish(&page), 0);
    CHECK_STR(wr_buf_cstr(&out), "# HELP warren_s Seconds.\n"
                                 "# TYPE warren_s histogram\n"
                                 "warren_s_bucket{le=\"0.1\"} 2\n"
                                 "warren_s_bucket{le=\"1\"} 2\n"
                                 "warren_s_bucket{le=\"+Inf\"} 3\n"
                                 "warren_s_sum 3.25\n"
                                 "warren_s_count 3\n"
                                 "# HELP warren_g Ratio.\n"
                                 "# TYPE warren_g gauge\n"
                                 "warren_g{limit=\"hours\"} 0.5\n");
}
