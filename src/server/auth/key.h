/*
 * API keys as text: "e2b_" and hex characters. Clients check that form before they send anything.
 * The server keeps the SHA-256 of the bytes that the hex stands for; keys have 160 random bits, so
 * a plain hash tells nothing about them.
 */
#pragma once

#include "server/store/store.h"

#define WR_KEY_PREFIX   "e2b_"
#define WR_KEY_TEXT_LEN 44  /* of a key that was made here */
#define WR_KEY_HEX_MAX  256 /* hex characters of a key that a client shows */

/* False when it has not the form of a key: the prefix and an even number of hex characters. */
bool wr_key_hash(const char *text, size_t len, uint8_t hash[static 32]);
/* A new key: `text` is the only place where it is (wipe it after use); `ret` gets everything but
 * the team and the name. */
void wr_key_new(char text[static WR_KEY_TEXT_LEN + 1], struct wr_api_key *ret);
