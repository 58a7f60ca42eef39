/* Decisions of pause_policy.h, without a server: what is paused how, when, and which one next. */
#pragma once

#include "server/config.h"
#include "server/sandbox_table.h"

/* The level of a pause whose client names none. */
enum wr_pause_level wr_pause_default_level(const struct wr_server_config *config);

struct wr_pause_view {
    uint64_t now_ms;   /* wall clock */
    uint64_t mono_ms;  /* monotonic */
    uint32_t free_pct; /* of the host's memory */
    bool all;          /* everything, now */
    bool swap;         /* the host has some */
};
/* The sandbox that is to be paused to a deeper level next, and that level, or NULL: the one that
 * was paused first of those in memory that can be, if its time has come. */
struct wr_sandbox *wr_pause_next(struct wr_sandbox_table *table,
                                 const struct wr_pause_config *config,
                                 const struct wr_pause_view *view, enum wr_pause_level *ret_level);
/* Whether there is swap, by the text of /proc/swaps. */
bool wr_pause_has_swap(const char *swaps);
/* Percentage of memory that is available, from the text of /proc/meminfo; 100 when it cannot be
 * told. */
uint32_t wr_pause_free_pct(const char *meminfo);
/* Those of this host, now. */
uint32_t wr_pause_host_free_pct(void);
bool wr_pause_host_has_swap(void);
/* How long one may live that was hibernated at the end, ms. */
uint64_t wr_pause_remaining_ms(uint64_t deadline_ms, uint64_t paused_ms, uint64_t max_ms);
