/* `warren slo`: the service level, by the ledger. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_slo;
