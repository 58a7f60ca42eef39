/*
 * An engine for tests of the server, in a process of its own: answers actions on the other end of
 * the socket; its sandboxes are records and its sockets plain ones of this host. Templates by name:
 * "fail" fails, "silent" never answers, "slow" answers after 100 ms, "dies" is gone right after its
 * creation, "missing" is not found, "secure" demands a token, "undying" is never killed, "dry"
 * comes with one socket, gets no more, and is gone when it is asked for its statistics, "restart"
 * makes the engine forget everything unanswered and say READY again; a blank of "stale" cannot be
 * assigned; all others work.
 *
 * Volumes are records too: one of 9 MiB cannot be made, one of 10 MiB is made and the engine says
 * READY again instead of answering, and one that a sandbox has mounted cannot be removed. A sandbox
 * with "content" is "base", whatever else is said of that.
 *
 * So are snapshots: none can be taken of a sandbox of "full", one of "lasting" takes 300 ms, and
 * one of "frail" is taken, but the engine says READY again instead of answering. Files only:
 * "booted".
 *
 * Pausing: "full", "lasting" and "frail" as for snapshots, the last two also when it is resumed;
 * "undumpable" is frozen instead of hibernated; "damaged" cannot be resumed with its memory, and
 * "crowded" neither resumed nor rolled back. A boot has to come with what it needs, of "secure"
 * also with a token and the variable K=v.
 */
#pragma once

#include <sys/types.h>

/* *ret_sock is the server's end. `preset` sandboxes exist from the start: ids 'a'*20, 'b'*20... */
pid_t fake_engine_start(int *ret_sock, unsigned preset);
/* For the following starts: so many of the presets, from the first on, are hibernated. */
void fake_engine_pause_first(unsigned count);
