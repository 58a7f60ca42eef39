/* Service level: percentiles of the time to create a sandbox (nearest rank), rate of executions
 * without an error of the service, and what is left of the errors that the target allows. */
#include <assert.h>
#include <errno.h>
#include <math.h>

#include "base/error.h"
#include "base/options.h"
#include "json/jread.h"
#include "json/value.h"
#include "primitives/core/database.h"
#include "primitives/ledger/ledger.h"

#define CREATE_P95_MS 200
#define SUCCESS_RATE  0.99

static const char counts_sql[] = "SELECT error_code, count(*), count(create_ms) FROM executions "
                                 "WHERE time_ms >= ?1 AND time_ms < ?2 GROUP BY error_code";
static const char ordered_sql[] = "SELECT create_ms FROM executions WHERE time_ms >= ?1 AND "
                                  "time_ms < ?2 AND create_ms IS NOT NULL ORDER BY create_ms";

static const unsigned percents[] = {50, 95, 99};
enum { P50, P95, P99, PERCENTS };
static_assert(WR_ARRAY_SIZE(percents) == PERCENTS, "one for each name");

struct figures {
    uint64_t executions, created, service_errors;
    double create_ms[PERCENTS];
};

static int read_counts(const struct wr_ledger_view *view, struct figures *figures,
                       struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;
    int r = wr_ledger_view_prepare(view, counts_sql, &stmt, err);

    while (r == 0 && (r = wr_ledger_view_step(view, stmt, err)) > 0) {
        const struct wr_error error = {.code = sqlite3_column_int(stmt, 0)};
        uint64_t count = (uint64_t)sqlite3_column_int64(stmt, 1);
        figures->executions += count;
        figures->created += (uint64_t)sqlite3_column_int64(stmt, 2);
        if (wr_error_classify(&error) == WR_CLASS_SERVICE)
            figures->service_errors += count;
        r = 0;
    }
    return r;
}

/* Nearest rank: the smallest value that at least so many percent do not exceed. */
static uint64_t rank_of(unsigned percent, uint64_t count)
{
    return (count * percent + 99) / 100;
}

static int read_percentiles(const struct wr_ledger_view *view, struct figures *figures,
                            struct wr_error *err)
{
    wr_auto_statement *stmt = NULL;
    uint64_t rank = 0;
    size_t next = 0;
    int r = wr_ledger_view_prepare(view, ordered_sql, &stmt, err);

    while (r == 0 && next < PERCENTS && (r = wr_ledger_view_step(view, stmt, err)) > 0) {
        rank++;
        for (; next < PERCENTS && rank == rank_of(percents[next], figures->created); next++)
            figures->create_ms[next] = sqlite3_column_double(stmt, 0);
        r = 0;
    }
    return r;
}

/* ---- what it means ---- */

/* `known` false: null. */
static json_t *real_or_null(bool known, double number)
{
    return known ? json_real(number) : json_null();
}

static json_t *truth_or_null(bool known, bool truth)
{
    return known ? json_boolean(truth) : json_null();
}

/* `used` of the errors that a target of `rate` allows; no budget at all is used up by the first
 * one. */
static double remaining(double allowed, double used)
{
    if (allowed > 0)
        return fmax(0, 1 - used / allowed);
    return used > 0 ? 0 : 1;
}

static json_t *describe(const struct figures *figures, const struct wr_slo_opts *slo)
{
    bool any = figures->executions > 0, created = figures->created > 0;
    double errors = (double)figures->service_errors, all = (double)figures->executions;
    double rate = any ? (all - errors) / all : 1;
    /* 1 - 0.99 is a little more than 0.01, and such a little must not become an error more. */
    double allowed = round((1 - slo->success_rate) * all * 1e6) / 1e6;
    bool create_met = figures->create_ms[P95] <= slo->create_p95_ms;
    bool success_met = rate >= slo->success_rate;

    return json_pack(
        "{s:I, s:I, s:{s:o, s:o, s:o, s:f, s:o}, s:{s:o, s:f, s:o}, s:{s:f, s:f, s:f}, s:o}",
        "period_s", (json_int_t)slo->period_s, "executions", (json_int_t)figures->executions,
        "create", "p50_ms", real_or_null(created, figures->create_ms[P50]), "p95_ms",
        real_or_null(created, figures->create_ms[P95]), "p99_ms",
        real_or_null(created, figures->create_ms[P99]), "target_p95_ms", slo->create_p95_ms, "met",
        truth_or_null(created, create_met), "success", "rate", real_or_null(any, rate), "target",
        slo->success_rate, "met", truth_or_null(any, success_met), "error_budget", "allowed",
        allowed, "used", errors, "remaining", remaining(allowed, errors), "met",
        truth_or_null(any, success_met && (!created || create_met)));
}

static int read_opts(const struct wr_slo_opts *given, struct wr_slo_opts *ret, struct wr_error *err)
{
    int r = wr_options_read(given, ret, sizeof *ret, "wr_slo_opts", err);

    if (r < 0)
        return r;
    ret->create_p95_ms = ret->create_p95_ms != 0 ? ret->create_p95_ms : CREATE_P95_MS;
    ret->success_rate = ret->success_rate != 0 ? ret->success_rate : SUCCESS_RATE;
    if (!(ret->create_p95_ms > 0) || !isfinite(ret->create_p95_ms))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "create_p95_ms: above 0");
    if (!(ret->success_rate > 0 && ret->success_rate <= 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "success_rate: above 0, at most 1");
    return 0;
}

int wr_ledger_slo(struct wr_ledger *ledger, const struct wr_slo_opts *opts, struct wr_value **ret,
                  struct wr_error *err)
{
    wr_auto_ledger_view view = {0};
    struct figures figures = {0};
    struct wr_slo_opts slo;

    int r = read_opts(opts, &slo, err);
    if (r == 0)
        r = wr_ledger_view_open(ledger, slo.period_s, &view, err);
    if (r == 0)
        r = read_counts(&view, &figures, err);
    if (r == 0)
        r = read_percentiles(&view, &figures, err);
    if (r < 0)
        return r;
    slo.period_s = view.period_s;
    json_t *described = describe(&figures, &slo);
    if (!described)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, WR_LEDGER_WHAT);
    *ret = wr_value_of_json(described);
    return 0;
}
