#include "base/prometheus.h"

#include <math.h>

#include "base/number.h"
#include "base/str.h"

void wr_prometheus_init(struct wr_prometheus *page, struct wr_buf *out)
{
    *page = (struct wr_prometheus){.out = out};
}

static void note(struct wr_prometheus *page, int r)
{
    if (page->error == 0)
        page->error = r;
}

/* Backslash, line feed, and in values of labels the quote, are escaped. */
static void append_escaped(struct wr_prometheus *page, const char *text, bool quote)
{
    for (; *text; text++) {
        const char *escaped = *text == '\\'           ? "\\\\"
                              : *text == '\n'         ? "\\n"
                              : quote && *text == '"' ? "\\\""
                                                      : NULL;
        note(page, escaped ? wr_buf_append_str(page->out, escaped)
                           : wr_buf_append_char(page->out, *text));
    }
}

void wr_prometheus_family(struct wr_prometheus *page, enum wr_prometheus_kind kind,
                          const char *name, const char *help)
{
    static const char *const kinds[] = {
        [WR_PROMETHEUS_COUNTER] = "counter",
        [WR_PROMETHEUS_GAUGE] = "gauge",
        [WR_PROMETHEUS_HISTOGRAM] = "histogram",
    };

    page->name = name;
    note(page, wr_buf_printf(page->out, "# HELP %s ", name));
    append_escaped(page, help, false);
    note(page, wr_buf_printf(page->out, "\n# TYPE %s %s\n", name, kinds[kind]));
}

/* A sample up to the blank before its value. `suffix` is that of a histogram's samples. */
static void begin_sample(struct wr_prometheus *page, const char *suffix, const char *label,
                         const char *label_value)
{
    note(page, wr_buf_printf(page->out, "%s%s", page->name, suffix));
    if (label) {
        note(page, wr_buf_printf(page->out, "{%s=\"", label));
        append_escaped(page, label_value, true);
        note(page, wr_buf_append_str(page->out, "\"}"));
    }
    note(page, wr_buf_append_char(page->out, ' '));
}

static void end_u64(struct wr_prometheus *page, uint64_t value)
{
    note(page, wr_buf_printf(page->out, "%llu\n", (unsigned long long)value));
}

static void end_double(struct wr_prometheus *page, double value)
{
    char text[WR_DOUBLE_TEXT];

    wr_format_double(value, text);
    note(page, wr_buf_printf(page->out, "%s\n", text));
}

void wr_prometheus_sample(struct wr_prometheus *page, const char *label, const char *label_value,
                          uint64_t value)
{
    begin_sample(page, "", label, label_value);
    end_u64(page, value);
}

void wr_prometheus_sample_double(struct wr_prometheus *page, const char *label,
                                 const char *label_value, double value)
{
    begin_sample(page, "", label, label_value);
    end_double(page, value);
}

void wr_prometheus_buckets(struct wr_prometheus *page,
                           const struct wr_prometheus_histogram *histogram)
{
    uint64_t count = 0;
    char bound[WR_DOUBLE_TEXT] = "";

    for (size_t i = 0; i <= histogram->bound_count; i++) {
        count += histogram->counts[i];
        wr_format_double(i < histogram->bound_count ? histogram->bounds[i] : INFINITY, bound);
        begin_sample(page, "_bucket", "le", bound);
        end_u64(page, count);
    }
    begin_sample(page, "_sum", NULL, NULL);
    end_double(page, histogram->sum);
    begin_sample(page, "_count", NULL, NULL);
    end_u64(page, count);
}

int wr_prometheus_finish(const struct wr_prometheus *page)
{
    return page->error;
}
