/* Commands that go into a sandbox: one that is paused goes on first. */
#pragma once

#include "client/transport.h"

/*
 * Resumes it if it is paused, and says so on standard error. NOT_FOUND when there is none; what a
 * server that is asked for that cannot tell is left to the command.
 */
int wr_cli_awake(struct wr_transport *client, const char *id, struct wr_error *err) WR_MUST_CHECK;

/*
 * For something in a sandbox that was cut off with `err`: true when the sandbox is paused, which
 * somebody has done meanwhile. `err` says so then (FAILED_PRECONDITION), and it is not to be ended.
 */
bool wr_cli_paused_meanwhile(struct wr_transport *client, const char *id, struct wr_error *err);
