/* `warren orchestrate`: many tasks over few sandboxes. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_orchestrate;
