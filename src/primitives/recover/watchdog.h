/*
 * A thread that fires tokens when their time has come, for calls that watch a token only. It is
 * started with the first one.
 */
#pragma once

#include "base/list.h"
#include "warren/cancel.h"

struct wr_watchdog;

struct wr_watchdog *wr_watchdog_new(struct wr_error *err);
/* Nothing may be armed. Accepts NULL, returns NULL. */
struct wr_watchdog *wr_watchdog_free(struct wr_watchdog *watchdog);

/* Private; in the caller's frame from arm to disarm. */
struct wr_watch {
    struct wr_list link;
    uint64_t due_ms;
    struct wr_cancel *cancel; /* borrowed */
};

/* Fires `cancel` after `delay_ms`, unless it is disarmed before. RESOURCE_EXHAUSTED without a
 * thread. */
int wr_watchdog_arm(struct wr_watchdog *watchdog, struct wr_watch *watch, struct wr_cancel *cancel,
                    uint64_t delay_ms, struct wr_error *err);
/* Returns when the token is not going to be touched any more. */
void wr_watchdog_disarm(struct wr_watchdog *watchdog, struct wr_watch *watch);
