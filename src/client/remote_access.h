/* What the driver over HTTP reads out of a server's answer about a sandbox, and the sandbox's path.
 */
#pragma once

#include "client/remote.h"

#define WR_REMOTE_TARGET_MAX (WR_SANDBOX_ID_MAX + 32)

/* Its id alone. INTERNAL when there is none. */
int wr_remote_access_id(const json_t *answer, char ret[static WR_SANDBOX_ID_MAX],
                        struct wr_error *err) WR_MUST_CHECK;
/* How it is reached. INTERNAL when the answer is none. */
int wr_remote_access_take(const struct wr_remote *remote, const json_t *answer,
                          struct wr_sandbox_access *ret, struct wr_error *err) WR_MUST_CHECK;
/* One holder of the answer less; the tokens in it are wiped. Accepts NULL. */
void wr_remote_access_wipe(json_t *answer);

/* "/sandboxes/<id><rest>" */
int wr_remote_sandbox_target(const char *id, const char *rest,
                             char out[static WR_REMOTE_TARGET_MAX], struct wr_error *err)
    WR_MUST_CHECK;
/* POST of a JSON text there. `ret` as of wr_remote_post(). */
int wr_remote_sandbox_post(void *self, const struct wr_call *call, const char *rest,
                           const char *body, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
