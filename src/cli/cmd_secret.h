/* warren secret: values that the egress puts into headers. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_secret;
