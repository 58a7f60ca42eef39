#include "server/obs/prometheus.h"

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
    };

    page->name = name;
    note(page, wr_buf_printf(page->out, "# HELP %s ", name));
    append_escaped(page, help, false);
    note(page, wr_buf_printf(page->out, "\n# TYPE %s %s\n", name, kinds[kind]));
}

void wr_prometheus_sample(struct wr_prometheus *page, const char *label, const char *label_value,
                          uint64_t value)
{
    note(page, wr_buf_append_str(page->out, page->name));
    if (label) {
        note(page, wr_buf_printf(page->out, "{%s=\"", label));
        append_escaped(page, label_value, true);
        note(page, wr_buf_append_str(page->out, "\"}"));
    }
    note(page, wr_buf_printf(page->out, " %llu\n", (unsigned long long)value));
}

int wr_prometheus_finish(const struct wr_prometheus *page)
{
    return page->error;
}
