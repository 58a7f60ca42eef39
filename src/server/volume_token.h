/*
 * Tokens for the content of volumes. They are not stored: a token names the volume's team and its
 * own end and carries an HMAC-SHA-256 over these and the volume, made with a secret of this server
 * (a file of its state directory, so that tokens survive a restart).
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "server/store/uuid.h"

#define WR_VOLUME_TOKEN_LIFETIME_S 86400u
#define WR_VOLUME_TOKEN_LEN        (5 + 12 + 1 + WR_UUID_LEN + 1 + 64) /* of the text, bytes */

struct wr_volume_key {
    uint8_t bytes[32];
};

/* Reads <dir>/volume-tokens.key, or makes it (0600). DATA_LOSS when it is not such a file. */
int wr_volume_key_load(const char *dir, struct wr_volume_key *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* A token for one volume of one team (both UUIDs) until `end_s` (wall clock, seconds). */
void wr_volume_token_make(const struct wr_volume_key *key, const char *volume_id,
                          const char *team_id, uint64_t end_s,
                          char out[static WR_VOLUME_TOKEN_LEN + 1]);
enum wr_volume_token_state {
    WR_VOLUME_TOKEN_GOOD = 0,
    WR_VOLUME_TOKEN_BAD = 1, /* of another volume, another server, or no token at all */
    WR_VOLUME_TOKEN_EXPIRED = 2,
};
/* For that volume at that time. `ret_team_id` is written when it is good. All bad ones take the
 * same time. */
enum wr_volume_token_state wr_volume_token_check(const struct wr_volume_key *key,
                                                 const char *volume_id, const char *text,
                                                 uint64_t now_s,
                                                 char ret_team_id[static WR_UUID_LEN + 1]);
