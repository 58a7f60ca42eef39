#include "cli/slo_view.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "cli/out.h"
#include "json/value.h"

#define EXIT_MISSED 1

int wr_slo_rate_read(const char *text, double *ret, struct wr_error *err)
{
    char *end = NULL;
    double rate = 0;
    /* strtod() takes hexadecimal, "inf" and blanks too. */
    bool plain = wr_str_only(text, "0123456789.", 1, 20);

    if (plain)
        rate = strtod(text, &end);
    if (!plain || *end || !(rate > 0 && rate <= 1))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --success: \"%.40s\" is no number above 0 and at most 1, such as "
                       "0.99",
                       text);
    *ret = rate;
    return 0;
}

static const char *verdict(const json_t *met)
{
    return json_is_null(met) ? "-" : json_is_true(met) ? "yes" : "no";
}

static void add_row(struct wr_table *table, const char *name, const char *target,
                    const char *measured, const json_t *met)
{
    wr_table_cell(table, name);
    wr_table_cell(table, target);
    wr_table_cell(table, measured);
    wr_table_cell(table, verdict(met));
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void add_create(struct wr_table *table, const json_t *create)
{
    char target[32], measured[32] = "-";

    (void)!wr_strformat(target, sizeof target, "%.6g ms", number(create, "target_p95_ms"));
    if (json_is_number(json_object_get(create, "p95_ms")))
        (void)!wr_strformat(measured, sizeof measured, "%.1f ms", number(create, "p95_ms"));
    add_row(table, "sandbox made (p95)", target, measured, json_object_get(create, "met"));
}

static void add_success(struct wr_table *table, const json_t *success)
{
    char target[32], measured[32] = "-";

    (void)!wr_strformat(target, sizeof target, "%.6g %%", number(success, "target") * 100);
    if (json_is_number(json_object_get(success, "rate")))
        (void)!wr_strformat(measured, sizeof measured, "%.6g %%", number(success, "rate") * 100);
    add_row(table, "success", target, measured, json_object_get(success, "met"));
}

static int print(const json_t *slo, struct wr_error *err)
{
    static const char *const headers[] = {"OBJECTIVE", "TARGET", "MEASURED", "MET"};
    const json_t *create = json_object_get(slo, "create");
    const json_t *budget = json_object_get(slo, "error_budget");
    struct wr_table table;

    wr_table_init(&table, headers, WR_ARRAY_SIZE(headers));
    add_create(&table, create);
    add_success(&table, json_object_get(slo, "success"));
    int r = wr_table_print(&table, err);
    wr_table_done(&table);
    if (r < 0)
        return r;
    printf("\n%lld executions; %.6g errors of %.6g that the target allows, %.0f %% of that budget "
           "is left\n",
           (long long)json_integer_value(json_object_get(slo, "executions")),
           number(budget, "used"), number(budget, "allowed"), number(budget, "remaining") * 100);
    if (json_is_number(json_object_get(create, "p50_ms")))
        printf("a sandbox was made in %.1f ms (p50), %.1f ms (p95), %.1f ms (p99)\n",
               number(create, "p50_ms"), number(create, "p95_ms"), number(create, "p99_ms"));
    return fflush(stdout) != 0 ? wr_fail_errno(err, WR_E_UNKNOWN, "write to standard output") : 0;
}

int wr_slo_show(struct wr_ledger *ledger, uint64_t period_s, const struct wr_slo_values *values,
                struct wr_error *err)
{
    struct wr_slo_opts slo = {.struct_size = sizeof slo,
                              .period_s = period_s,
                              .create_p95_ms = (double)values->create_p95_ms};
    wr_auto_value *level = NULL;

    int r = values->success ? wr_slo_rate_read(values->success, &slo.success_rate, err) : 0;
    if (r == 0)
        r = wr_ledger_slo(ledger, &slo, &level, err);
    if (r == 0)
        r = values->json ? wr_print_json(wr_value_json(level), err)
                         : print(wr_value_json(level), err);
    if (r < 0)
        return r;
    return json_is_false(json_object_get(wr_value_json(level), "met")) ? EXIT_MISSED : 0;
}
