/*
 * What all processes have used, as the ledger's file says. It is read at the start and then at most
 * every WR_LEDGER_USE_EVERY_MS; between, what this process has used since is added. Not thread-safe
 * but for wr_ledger_use_read().
 */
#pragma once

#include "warren/ledger.h"

#define WR_LEDGER_USE_EVERY_MS 10000

struct wr_ledger_use {
    struct wr_ledger *ledger; /* owned; NULL: none */
    uint64_t period_s;
    uint64_t read_ms;  /* when it was read last, or when that failed */
    double held_ms;    /* by that */
    double since_ms;   /* of this process, since */
    double pending_ms; /* of `since_ms`, what came while it is being read */
    bool reading;
};

/* Opens and reads. */
int wr_ledger_use_init(struct wr_ledger_use *use, const char *path, uint64_t period_s,
                       uint64_t now_ms, struct wr_error *err);
void wr_ledger_use_done(struct wr_ledger_use *use);
void wr_ledger_use_add(struct wr_ledger_use *use, double held_ms);
/* Whether it is time to read again; true: the caller does, then calls wr_ledger_use_set(). */
bool wr_ledger_use_due(struct wr_ledger_use *use, uint64_t now_ms);
/* Blocks; without the lock that guards `use`. */
int wr_ledger_use_read(const struct wr_ledger_use *use, double *ret_held_ms, struct wr_error *err);
/* `held_ms` < 0: it could not be read, what was known stays. */
void wr_ledger_use_set(struct wr_ledger_use *use, double held_ms);
/* 0 without a ledger. */
double wr_ledger_use_total_ms(const struct wr_ledger_use *use);
