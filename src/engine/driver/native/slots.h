/*
 * Slots: ranges of 65,536 host ids, one per sandbox, and for each a user namespace that maps it
 * (kept, because making one costs a fork). A slot goes back when every process and file of its
 * sandbox is gone.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "nest/protocol.h"

struct wr_slots {
    bool used[WR_SLOT_COUNT];
    int userns_fds[WR_SLOT_COUNT]; /* -1: not made yet */
    uint32_t next; /* where the search starts: a freed slot rests as long as possible */
};

void wr_slots_init(struct wr_slots *slots);
void wr_slots_done(struct wr_slots *slots);
/* RESOURCE_EXHAUSTED when all are taken. *ret_userns_fd is borrowed. */
int wr_slots_take(struct wr_slots *slots, uint32_t *ret_slot, int *ret_userns_fd,
                  struct wr_error *err) WR_MUST_CHECK;
/* Marks the slot of a sandbox that was found alive. False if it is taken already. */
bool wr_slots_claim(struct wr_slots *slots, uint32_t slot) WR_MUST_CHECK;
void wr_slots_release(struct wr_slots *slots, uint32_t slot);
uid_t wr_slot_host_base(uint32_t slot);
