#include "cli/cmd_usage.h"

#include <stdio.h>

#include "base/str.h"
#include "cli/out.h"
#include "json/value.h"
#include "warren/ledger.h"

#define DAY_S        86400
#define DEFAULT_DAYS 30

struct values {
    uint64_t days;
    bool json;
};

static const struct wr_opt opts[] = {
    {"days", 0, WR_OPT_U64, offsetof(struct values, days), "N", "of the last N days (30)", 1, 400,
     false, NULL},
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "print one JSON object", 0, 0,
     false, NULL},
};

static const char *const counts[] = {"executions", "succeeded", "failed", "errors", "sandboxes"};

static void add_row(struct wr_table *table, const char *name, const json_t *figures)
{
    char text[32];

    wr_table_cell(table, name);
    for (size_t i = 0; i < WR_ARRAY_SIZE(counts); i++) {
        (void)!wr_strformat(text, sizeof text, "%lld",
                            (long long)json_integer_value(json_object_get(figures, counts[i])));
        wr_table_cell(table, text);
    }
    (void)!wr_strformat(text, sizeof text, "%.3f",
                        json_number_value(json_object_get(figures, "sandbox_hours")));
    wr_table_cell(table, text);
}

static int print_days(const json_t *usage, struct wr_error *err)
{
    static const char *const headers[] = {"DAY",    "EXECUTIONS", "SUCCEEDED", "FAILED",
                                          "ERRORS", "SANDBOXES",  "HOURS"};
    struct wr_table table;
    const json_t *day;
    size_t i;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_array_foreach(json_object_get(usage, "by_day"), i, day)
        add_row(&table, json_string_value(json_object_get(day, "day")), day);
    add_row(&table, "total", usage);
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int print_backends(json_t *usage, struct wr_error *err)
{
    static const char *const headers[] = {"BACKEND", "EXECUTIONS", "SUCCEEDED", "FAILED",
                                          "ERRORS",  "SANDBOXES",  "HOURS"};
    struct wr_table table;
    const char *name;
    json_t *backend;

    putchar('\n');
    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    json_object_foreach(json_object_get(usage, "by_backend"), name, backend)
        add_row(&table, *name ? name : "none", backend); /* none: no sandbox was had */
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    return r;
}

static int print_errors(json_t *usage, struct wr_error *err)
{
    json_t *errors = json_object_get(usage, "by_error"), *count;
    const char *name, *separator = "\nwhat did not succeed: ";

    json_object_foreach(errors, name, count) {
        printf("%s%s %lld", separator, name, (long long)json_integer_value(count));
        separator = ", ";
    }
    if (json_object_size(errors) > 0)
        putchar('\n');
    return fflush(stdout) != 0 ? wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output") : 0;
}

static int print_usage(json_t *usage, uint64_t days, struct wr_error *err)
{
    if (json_integer_value(json_object_get(usage, "executions")) == 0) {
        printf("nothing was executed in the last %llu days\n", (unsigned long long)days);
        return 0;
    }
    int r = print_days(usage, err);
    if (r == 0)
        r = print_backends(usage, err);
    return r < 0 ? r : print_errors(usage, err);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    uint64_t days = values->days ? values->days : DEFAULT_DAYS;
    wr_auto_value *usage = NULL;

    struct wr_ledger *ledger = wr_ledger_open(NULL, err);
    if (!ledger)
        return -err->code;
    int r = wr_ledger_usage(ledger, days * DAY_S, &usage, err);
    wr_ledger_free(ledger);
    if (r < 0)
        return r;
    return values->json ? wr_print_json(wr_value_json(usage), err)
                        : print_usage(wr_value_json(usage), days, err);
}

const struct wr_command wr_cmd_usage = {
    .name = "usage",
    .summary = "Show what executions have used",
    .usage = "[--days N] [--json]",
    .details =
        "From the ledger, the file ledger.db in the state directory ($WARREN_STATE_DIR, else\n"
        "~/.local/state/warren), where `warren run` with its primitives, `warren test`, `warren\n"
        "orchestrate` and programs with libwarren write down each execution. FAILED is code that\n"
        "ended with an error, ERRORS are executions that came to no end; HOURS are those of\n"
        "sandboxes. Days are those of UTC.\n\n"
        "examples:\n"
        "  warren usage\n"
        "  warren usage --days 7 --json",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .offline = true,
    .run = run,
};
