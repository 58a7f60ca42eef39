#include "cli/sandbox_end.h"

#include <stdio.h>

#include "client/api_sandbox.h"

void wr_sandbox_end(struct wr_transport *client, const char *id, bool keep)
{
    struct wr_error err = {0};

    wr_transport_interrupt(client, false);
    if (keep) {
        fprintf(stderr, "%s\n", id);
        return;
    }
    if (wr_api_sandbox_kill(client, id, &err) < 0 && err.code != WR_E_NOT_FOUND)
        fprintf(stderr, "warren: sandbox %s was not removed: %s\n", id, err.msg);
}
