/* The end of a sandbox that a command made for itself. */
#pragma once

#include <stdbool.h>

#include "client/transport.h"

/* The sandbox goes away whatever happened, or with `keep` its id is printed on standard error; a
 * failure of that is told, but does not hide the command's status. */
void wr_sandbox_end(struct wr_transport *client, const char *id, bool keep);
