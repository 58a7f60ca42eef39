/* Adds up what the ledger has: one pass over groups of equal day, backend and error. */
#include <errno.h>
#include <time.h>

#include "base/error.h"
#include "base/str.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/database.h"
#include "primitives/ledger/ledger.h"

#define MS_PER_DAY  86400000
#define MS_PER_HOUR 3.6e6

static const char groups_sql[] =
    "SELECT time_ms / 86400000, backend, error_code, count(*), "
    "sum(error_code = 0 AND code_succeeded), sum(error_code = 0 AND NOT code_succeeded), "
    "sum(error_code != 0), count(create_ms), sum(held_ms) FROM executions "
    "WHERE time_ms >= ?1 AND time_ms < ?2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3";
enum { DAY, BACKEND, ERROR_CODE, SUMS };

/* The figures of a whole, a backend or a day, and the columns that they come from. */
static const char *const counts[] = {"executions", "succeeded", "failed", "errors", "sandboxes"};
#define HELD_COLUMN (SUMS + (int)WR_ARRAY_SIZE(counts))

/* Adds a row's figures to an object's. */
static int add_row(json_t *figures, sqlite3_stmt *row)
{
    int r = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(counts); i++) {
        json_int_t count = json_integer_value(json_object_get(figures, counts[i]));
        r |= json_object_set_new(figures, counts[i],
                                 json_integer(count + sqlite3_column_int64(row, SUMS + (int)i)));
    }
    double hours = json_real_value(json_object_get(figures, "sandbox_hours"));
    hours += sqlite3_column_double(row, HELD_COLUMN) / MS_PER_HOUR;
    return r | json_object_set_new(figures, "sandbox_hours", json_real(hours));
}

/* The object of that name, which is made when it is missing; borrowed, NULL without memory. */
static json_t *part(json_t *parts, const char *name)
{
    json_t *found = json_object_get(parts, name);

    if (!found && json_object_set_new(parts, name, json_object()) == 0)
        found = json_object_get(parts, name);
    return found;
}

/* Rows come in the order of their days. */
static json_t *part_of_day(json_t *days, int64_t day)
{
    time_t seconds = (time_t)(day * (MS_PER_DAY / 1000));
    char text[16] = "";
    struct tm date;

    if (gmtime_r(&seconds, &date))
        (void)!strftime(text, sizeof text, "%Y-%m-%d", &date);
    json_t *last = json_array_get(days, json_array_size(days) - 1);
    if (last && wr_streq(json_string_value(json_object_get(last, "day")), text))
        return last;
    return json_array_append_new(days, json_pack("{s:s}", "day", text)) == 0
               ? json_array_get(days, json_array_size(days) - 1)
               : NULL;
}

static int count_error(json_t *errors, enum wr_error_class error_class, json_int_t count)
{
    const char *name = wr_error_class_name(error_class);

    return count == 0
               ? 0
               : json_object_set_new(
                     errors, name,
                     json_integer(count + json_integer_value(json_object_get(errors, name))));
}

static int take_row(json_t *usage, sqlite3_stmt *row)
{
    const struct wr_error error = {.code = sqlite3_column_int(row, ERROR_CODE)};
    json_t *errors = json_object_get(usage, "by_error");
    json_t *backend =
        part(json_object_get(usage, "by_backend"), (const char *)sqlite3_column_text(row, BACKEND));
    json_t *day = part_of_day(json_object_get(usage, "by_day"), sqlite3_column_int64(row, DAY));

    if (!backend || !day)
        return -1;
    int r = add_row(usage, row) | add_row(backend, row) | add_row(day, row);
    if (error.code)
        r |= count_error(errors, wr_error_classify(&error), sqlite3_column_int64(row, SUMS));
    return r | count_error(errors, WR_CLASS_CODE, sqlite3_column_int64(row, SUMS + 2));
}

/* Without executions all figures are 0. */
static json_t *empty(uint64_t period_s)
{
    json_t *usage = json_pack("{s:I, s:{}, s:[], s:{}, s:f}", "period_s", (json_int_t)period_s,
                              "by_backend", "by_day", "by_error", "sandbox_hours", 0.0);

    for (size_t i = 0; usage && i < WR_ARRAY_SIZE(counts); i++)
        if (json_object_set_new(usage, counts[i], json_integer(0)) < 0) {
            json_decref(usage);
            return NULL;
        }
    return usage;
}

int wr_ledger_usage(struct wr_ledger *ledger, uint64_t period_s, struct wr_value **ret,
                    struct wr_error *err)
{
    wr_auto_ledger_view view = {0};
    wr_auto_statement *stmt = NULL;

    int r = wr_ledger_view_open(ledger, period_s, &view, err);
    if (r == 0)
        r = wr_ledger_view_prepare(&view, groups_sql, &stmt, err);
    if (r < 0)
        return r;
    wr_auto_json *usage = empty(view.period_s);
    while (usage && (r = wr_ledger_view_step(&view, stmt, err)) > 0)
        if (take_row(usage, stmt) != 0)
            break;
    if (r < 0)
        return r;
    if (!usage || r > 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WR_LEDGER_WHAT);
    *ret = wr_value_of_json(json_incref(usage));
    return 0;
}
