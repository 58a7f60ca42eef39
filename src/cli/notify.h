/* The word to the service manager that the server is ready (sd_notify(3), Type=notify). */
#pragma once

#include "base/error.h"

#define WR_NOTIFY_READY "READY=1"

/* A socket to $NOTIFY_SOCKET, to which the word is written as one message; *ret_fd stays -1 without
 * a service manager. The variable is removed: programs that this one starts are not the service. */
int wr_notify_open(int *ret_fd, struct wr_error *err) WR_MUST_CHECK;
