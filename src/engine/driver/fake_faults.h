/* What a test wants to go wrong in the fake driver: variables in the environment of a sandbox. */
#pragma once

#include "engine/spec.h"

/* The value is a code (enum wr_code): the outcome of the operation, or with a minus its refusal at
 * once. What has its outcome at once does not tell them apart. */
#define WR_FAKE_RESTORE   "FAKE_RESTORE"
#define WR_FAKE_FREEZE    "FAKE_FREEZE"
#define WR_FAKE_THAW      "FAKE_THAW"
#define WR_FAKE_PAGE_OUT  "FAKE_PAGE_OUT"
#define WR_FAKE_HIBERNATE "FAKE_HIBERNATE"
#define WR_FAKE_SNAPSHOT  "FAKE_SNAPSHOT"
#define WR_FAKE_REBASE    "FAKE_REBASE"
#define WR_FAKE_REMOVE    "FAKE_REMOVE" /* of what is saved of a hibernated one */
#define WR_FAKE_SOCKETS   "FAKE_SOCKETS"
/* "FAKE_HIBERNATE" or "FAKE_SNAPSHOT": in the middle of that the sandbox ends by itself. */
#define WR_FAKE_EXIT      "FAKE_EXIT"

/* 0 unless the environment names a code for it; negative: at once. */
int wr_fake_fault(const json_t *env, const char *name);
/* -code with `err` filled, or 0 without a fault. */
int wr_fake_fail(int fault, const char *name, struct wr_error *err);
bool wr_fake_exits(const json_t *env, const char *name);
