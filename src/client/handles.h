/* The handles of libwarren's client from inside, and how their functions begin a call. */
#pragma once

#include "client/driver.h"

struct wr_client {
    atomic_size_t holders;
    struct wr_driver driver; /* `name` is owned */
};

struct wr_sandbox {
    atomic_size_t holders;
    struct wr_client *client; /* one holder */
    struct wr_sandbox_access access;
};

struct wr_program {
    struct wr_sandbox *sandbox; /* one holder */
    void *program;              /* the driver's */
    bool terminal;              /* it has one */
};

/* Ids become parts of paths and names of hosts. E2B's have an "i" before, and once had a second
 * part. */
bool wr_sandbox_id_is_valid(const char *id);
/* INVALID_ARGUMENT when it is none, or NULL. */
int wr_sandbox_id_check(const char *id, struct wr_error *err) WR_MUST_CHECK;
/* A handle of nothing yet, with one holder; NULL with RESOURCE_EXHAUSTED. */
struct wr_sandbox *wr_sandbox_new(struct wr_client *client, struct wr_error *err) WR_MUST_CHECK;

#define WR_SANDBOX_TIMEOUT_S ((uint64_t)300)    /* how long one lives that is told nothing else */
#define WR_PERSIST_MS        ((uint64_t)600000) /* a default_ms: gigabytes may have to be written */

#define WR_WAIT_NO_END                                                        \
    UINT64_MAX /* a default_ms: none, the call ends by itself or by its token \
                */

/* `wait` with its time: `default_ms` (0: the client's) where it says none. CANCELED when its token
 * has fired already. */
int wr_wait_begin(const struct wr_client *client, const struct wr_wait *wait, uint64_t default_ms,
                  struct wr_wait *ret, struct wr_error *err) WR_MUST_CHECK;
/* The call on a sandbox; the same errors, and INVALID_ARGUMENT without a sandbox. */
int wr_call_begin(const struct wr_sandbox *sandbox, const struct wr_wait *wait, uint64_t default_ms,
                  struct wr_call *ret, struct wr_error *err) WR_MUST_CHECK;

/* The default of a call around something that has `timeout_ms` (0: none) itself: the client's time
 * more, for getting there and back. `sandbox` may be NULL. */
uint64_t wr_call_default_ms(const struct wr_sandbox *sandbox, uint64_t timeout_ms);

/* INVALID_ARGUMENT, naming `what`, unless each is "NAME=value" of UTF-8. */
int wr_opts_check_pairs(const char *const *pairs, size_t count, const char *what,
                        struct wr_error *err) WR_MUST_CHECK;
/* INVALID_ARGUMENT, naming `what`, unless `text` is there, not empty, and UTF-8. */
int wr_opts_check_text(const char *text, const char *what, struct wr_error *err) WR_MUST_CHECK;
