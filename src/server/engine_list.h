/* One of the engine's lists (LIST, VOLUMES, SNAPSHOTS) to its end, page by page. */
#pragma once

#include <jansson.h>

#include "engine/action.h"
#include "server/lifecycle.h"

/* Static. */
struct wr_engine_list {
    enum wr_action action;
    const char *name;     /* of the array in the replies, and what messages call its entries */
    const char *id_field; /* of an entry */
    bool (*id_valid)(const char *id);
    /* For each entry; ids are valid and ascend. The first failure ends the list. */
    int (*take)(void *data, const char *id, const json_t *entry, struct wr_error *err);
    wr_done_fn done; /* once, after the last entry or with what went wrong */
};

/* Later, from the loop; `done` is not called when this function fails. */
int wr_engine_list(struct wr_server *server, const struct wr_engine_list *list, void *data,
                   struct wr_error *err) WR_MUST_CHECK;
