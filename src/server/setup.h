/* What the server's starter checks and makes before the server runs. */
#pragma once

#include "base/error.h"
#include "server/config.h"

#define WR_SERVER_KEY_MAX 64 /* bytes of an API key with its NUL */

/* Whether certificate and key, PEM texts, belong together and are usable. */
int wr_server_check_tls(const char *cert_pem, const char *key_pem, struct wr_error *err)
    WR_MUST_CHECK;
/* Whether the texts of the egress's settings can be used. INVALID_ARGUMENT begins with the name of
 * the setting. */
int wr_server_check_egress(const struct wr_egress_config *config, struct wr_error *err)
    WR_MUST_CHECK;
/* Whether `open` (may be NULL) lists ranges of addresses; `name` is that of the setting. */
int wr_server_check_ranges(const char *name, const char *open, struct wr_error *err) WR_MUST_CHECK;
/* When the store in `state_dir` knows no API key: makes one for the default team. 1 when it did
 * (wipe `ret_key` after use), 0 when there are keys. Called as the server's user, before it runs.
 */
int wr_server_first_key(const char *state_dir, char ret_key[static WR_SERVER_KEY_MAX],
                        struct wr_error *err) WR_MUST_CHECK;
