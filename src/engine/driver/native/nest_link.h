/*
 * The engine's connection to one nest: starting it, or finding the one that an earlier engine
 * started, and asking it for sandboxes. What a nest says is checked: an unknown sequence number, a
 * wrong number of descriptors or a wrong size ends the connection.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/str.h"
#include "nest/protocol.h"

struct wr_driver;
struct wr_nest_link;
struct wr_kit;
struct wr_spec;

/* A sandbox that was spawned or found, or (only ns_fd) a network namespace. The descriptors are the
 * receiver's; status_fd is -1 for one that was found. */
struct wr_nest_sandbox {
    int pidfd, ns_fd, status_fd;
    enum wr_nest_redirect redirect;
};

typedef void (*wr_nest_spawned_fn)(void *data, const struct wr_nest_sandbox *sandbox,
                                   const struct wr_error *err);

/* Connects to the nest of this name, or starts one. */
int wr_nest_link_open(struct wr_driver *driver, const char *nest_name, struct wr_nest_link **ret,
                      struct wr_error *err) WR_MUST_CHECK;
/* Connects only: NOT_FOUND when none is running. */
int wr_nest_link_connect(struct wr_driver *driver, const char *nest_name, struct wr_nest_link **ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* Lets go; the nest lives on. Spawns that wait are failed. Accepts NULL, returns NULL. */
struct wr_nest_link *wr_nest_link_free(struct wr_nest_link *link);
bool wr_nest_link_alive(const struct wr_nest_link *link);
/* Kills the nest with all its sandboxes and fails what waits for it; the link stays, not alive. */
void wr_nest_link_end(struct wr_nest_link *link, const char *why);
/* The same after a look at the socket, because the loop may not have reported its end yet. Spawns
 * that wait are failed then. */
bool wr_nest_link_check(struct wr_nest_link *link);
/* Ends the nest with all that it started. */
void wr_nest_kill(struct wr_driver *driver, const char *nest_name);
/*
 * The same, and waits (at most 5 s) until its control group could be removed, so that every process
 * of it is gone. A new nest needs a new group in any case: newer kernels (seen with 6.18) kill at
 * birth what is cloned into a group that was ever killed.
 */
int wr_nest_bury(struct wr_driver *driver, const char *nest_name, struct wr_error *err)
    WR_MUST_CHECK;

struct wr_nest_spawn {
    const struct wr_kit *kit;
    const struct wr_spec *spec;
    const char *config;   /* the agent's JSON */
    const int *share_fds; /* detached mounts, spec->share_count of them; borrowed */
    uint64_t layers_id;   /* of the kit's root file system */
};

/* Asks for a sandbox. `fn` is called once, from the loop. */
int wr_nest_link_spawn(struct wr_nest_link *link, const struct wr_nest_spawn *spawn,
                       wr_nest_spawned_fn fn, void *data, struct wr_error *err) WR_MUST_CHECK;
/* Asks for a network namespace for a sandbox that is restored. `fn` is called once, from the loop.
 */
int wr_nest_link_netns(struct wr_nest_link *link, wr_nest_spawned_fn fn, void *data,
                       struct wr_error *err) WR_MUST_CHECK;
/* Has the nest start a zygote in the kit, in place of the one that there may be. What becomes of it
 * comes by wr_native_zygote_event(). */
int wr_nest_link_zygote(struct wr_nest_link *link, const struct wr_kit *kit, uint64_t layers_id,
                        struct wr_error *err) WR_MUST_CHECK;
/* Tells the nest that there will be none. */
int wr_nest_link_no_zygote(struct wr_nest_link *link, struct wr_error *err) WR_MUST_CHECK;
/* Nobody waits for the answers with that data any more: what they bring is closed, and a sandbox
 * is killed with its group. */
void wr_nest_link_forget(struct wr_nest_link *link, void *data);
/* Blocking, at an engine's start: every sandbox that the nest has. */
int wr_nest_link_list(struct wr_nest_link *link,
                      void (*fn)(const char *id, uint32_t slot,
                                 const struct wr_nest_sandbox *sandbox, void *data),
                      void *data, struct wr_error *err)
    WR_MUST_CHECK; /* ids are valid and ascend */
