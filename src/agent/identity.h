/*
 * The files by which programs recognise that and in which sandbox they are, besides the
 * environment, which some start without: the markers below /run/e2b, /etc/machine-id, and the
 * sandbox's own name in /etc/hosts. Whoever removes or replaces them fools only himself, so a
 * failure stops nothing.
 */
#pragma once

#include "agent/state.h"

/*
 * Writes the markers, and a machine id where /etc/machine-id is there and empty, as a first boot
 * would. Waits for the loop's first idle moment: no request of a new sandbox waits for it. Once the
 * loop is stopped, wr_idle_cancel(&agent->identity).
 */
void wr_identity_queue(struct wr_agent *agent);
/* The configuration has another id now than `old_id`: markers, machine id (where there is one) and
 * name follow, at once. */
void wr_identity_changed(struct wr_agent *agent, const char *old_id);
