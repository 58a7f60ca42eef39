/* `warren test`: code against cases, and projects with tests of their own. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_test;
