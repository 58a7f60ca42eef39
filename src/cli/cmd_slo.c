#include "cli/cmd_slo.h"

#include "cli/slo_view.h"

#define DAY_S        86400
#define DEFAULT_DAYS 30

struct values {
    struct wr_slo_values slo;
    uint64_t days;
};

static const struct wr_opt opts[] = {
    {"days", 0, WR_OPT_U64, offsetof(struct values, days), "N", "of the last N days (30)", 1, 400,
     false, NULL},
    WR_SLO_OPTS(offsetof(struct values, slo)),
};

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    struct wr_ledger *ledger = wr_ledger_open(NULL, err);

    if (!ledger)
        return -err->code;
    int r = wr_slo_show(ledger, (values->days ? values->days : DEFAULT_DAYS) * DAY_S, &values->slo,
                        err);
    wr_ledger_free(ledger);
    return r;
}

const struct wr_command wr_cmd_slo = {
    .name = "slo",
    .summary = "Compare executions with what was promised",
    .usage = "[--days N] [--create-p95 MS] [--success RATE] [--json]",
    .details =
        "From the ledger (see `warren help usage`). Errors of the service count, failures of the\n"
        "code do not. The status is 1 when a target was missed, 0 when all were met or nothing was\n"
        "executed.\n\n"
        "examples:\n"
        "  warren slo --days 7\n"
        "  warren slo --create-p95 100 --success 0.999",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .offline = true,
    .run = run,
};
