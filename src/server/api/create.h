/* From the body of a creation to the sandbox: which template is meant, and the request to the
 * engine. */
#pragma once

#include "server/api/op.h"

/* The on_body of an exchange whose data is a wr_api_op; `op->variant` 2: the rules of v2. */
void wr_api_create_body(struct wr_exchange *ex, const char *body, size_t len, void *op);
/* Its on_close. */
void wr_api_create_close(struct wr_exchange *ex, bool aborted, void *op);
