/* A sandbox of the fake driver, for the files that it is made of. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"

struct wr_driver {
    struct wr_loop *loop;
    struct wr_driver_callbacks callbacks;
    struct wr_list instances;
    struct wr_list shares;
    struct wr_list saved;
    bool holds; /* template "held" */
};

struct wr_instance {
    struct wr_list link;
    struct wr_driver *driver;
    void *owner;
    struct wr_spec spec; /* with its environment */
    enum wr_origin origin;
    bool kill_wanted;             /* when what is under way is over */
    bool busy;                    /* is hibernated or saved */
    int fault;                    /* how that ends; see fake_faults.h */
    bool memory;                  /* is saved, too */
    char snapshot[WR_ID_LEN + 1]; /* under that id */
    wr_timer_fn held;             /* what comes when it is let go */
    struct wr_timer timer;        /* outcomes come from the loop, as with a real driver */
};

/* True when `fn` has to wait for the sandbox to be let go. */
bool wr_fake_hold(struct wr_instance *instance, wr_timer_fn fn) WR_MUST_CHECK;
/* Calls `fn` from the loop: at once, after a while, or when it is let go, as its template has it.
 */
int wr_fake_later(struct wr_instance *instance, wr_timer_fn fn, struct wr_error *err) WR_MUST_CHECK;
/* It is gone: frees it and says so. */
void wr_fake_end(struct wr_instance *instance, enum wr_gone_reason reason);
/* Frees it. */
void wr_fake_drop(struct wr_instance *instance);

/* fake_sockets.c: struct wr_driver_ops.sockets */
int wr_fake_sockets(struct wr_instance *instance, size_t count, int *ret_fds,
                    struct wr_egress_sockets *ret_egress, struct wr_error *err) WR_MUST_CHECK;

/* fake_pausing.c: the members of struct wr_driver_ops with these names */
void wr_fake_kill(struct wr_instance *instance);
int wr_fake_freeze(struct wr_instance *instance, bool frozen, struct wr_error *err) WR_MUST_CHECK;
int wr_fake_page_out(struct wr_instance *instance, struct wr_error *err) WR_MUST_CHECK;
int wr_fake_note_reason(struct wr_instance *instance, const char *reason, struct wr_error *err)
    WR_MUST_CHECK;
int wr_fake_hibernate(struct wr_instance *instance, bool memory, struct wr_error *err)
    WR_MUST_CHECK;
int wr_fake_snapshot(struct wr_instance *instance, const char *snapshot_id, bool memory,
                     struct wr_error *err) WR_MUST_CHECK;
int wr_fake_rebase(struct wr_driver *driver, const struct wr_spec *spec, const char *snapshot_id,
                   struct wr_saved *ret, struct wr_error *err) WR_MUST_CHECK;
