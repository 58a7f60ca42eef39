/* warren dev-cert: an authority of our own and a wildcard certificate. */
#pragma once

#include "cli/command.h"

extern const struct wr_command wr_cmd_dev_cert;
