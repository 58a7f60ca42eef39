/* Carry: what a session takes along into its next sandbox, as far as that is possible. */
#pragma once

#include <jansson.h>

#include "warren/sandbox.h"

struct wr_carry {
    bool files;          /* the home directory, at most 256 MiB */
    bool variables;      /* of the default Python context, those that can be pickled */
    struct wr_wait wait; /* of each of the calls into the sandboxes */
};

/* What went along and what did not, as members of `report` (an object): "files": "carried" or why
 * not; "variables": how many, "variables_left": {name: why} or one text for all. */
void wr_carry(struct wr_sandbox *from, struct wr_sandbox *to, const struct wr_carry *what,
              json_t *report);
