/* GET /logs: the output log as lines of JSON. */
#pragma once

#include "agent/state.h"
#include "http/server.h"

/*
 * {"ts":"<RFC 3339>","stream":"stdout","pid":12,"line":"..."} per record, oldest first. Where
 * records were dropped, the line
 * {"dropped":<count>} stands in their place. Ends at the newest record of the moment when the
 * reader gets there.
 */
void wr_logs_get(struct wr_agent *agent, struct wr_exchange *ex);
