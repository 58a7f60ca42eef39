#include "primitives/limit/ledger_use.h"

#include "json/value.h"

#define MS_PER_HOUR 3.6e6

int wr_ledger_use_read(const struct wr_ledger_use *use, double *ret_held_ms, struct wr_error *err)
{
    wr_auto_value *usage = NULL;

    int r = wr_ledger_usage(use->ledger, use->period_s, &usage, err);
    if (r == 0)
        *ret_held_ms = wr_value_double(usage, "sandbox_hours", 0) * MS_PER_HOUR;
    return r;
}

int wr_ledger_use_init(struct wr_ledger_use *use, const char *path, uint64_t period_s,
                       uint64_t now_ms, struct wr_error *err)
{
    *use = (struct wr_ledger_use){.period_s = period_s, .read_ms = now_ms};
    use->ledger = wr_ledger_open(path, err);
    return use->ledger ? wr_ledger_use_read(use, &use->held_ms, err) : -err->code;
}

void wr_ledger_use_done(struct wr_ledger_use *use)
{
    use->ledger = wr_ledger_free(use->ledger);
}

void wr_ledger_use_add(struct wr_ledger_use *use, double held_ms)
{
    if (!use->ledger)
        return;
    use->since_ms += held_ms;
    if (use->reading)
        use->pending_ms += held_ms;
}

bool wr_ledger_use_due(struct wr_ledger_use *use, uint64_t now_ms)
{
    if (!use->ledger || use->reading)
        return false;
    /* A clock that went back is no reason to wait for it. */
    if (now_ms >= use->read_ms && now_ms - use->read_ms < WR_LEDGER_USE_EVERY_MS)
        return false;
    use->read_ms = now_ms;
    use->reading = true;
    use->pending_ms = 0;
    return true;
}

void wr_ledger_use_set(struct wr_ledger_use *use, double held_ms)
{
    use->reading = false;
    if (held_ms < 0)
        return;
    use->held_ms = held_ms;
    use->since_ms = use->pending_ms;
}

double wr_ledger_use_total_ms(const struct wr_ledger_use *use)
{
    return use->held_ms + use->since_ms;
}
