/* One request of the control API, as its handler sees it. */
#pragma once

#include "server/auth/auth.h"

struct wr_server;

/* `data` of every handler in the API's route tables. Lives during the handler's call only: what
 * goes on later (server/api/op.h) copies what it needs. */
struct wr_api_request {
    struct wr_server *server;
    struct wr_principal who;
};
