/* `warren bench-slo`: the service level of executions that are made for it. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_bench_slo;
