/* The server's side of the engine's socket, for tests. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "engine/action.h"

void peer_send(int sock, unsigned kind, uint32_t sequence, const char *json);

struct peer_reply {
    struct wr_action_header header;
    json_t *json; /* valid until the next peer_recv() */
    int fds[32];
    size_t fd_count;
};

/* The next message; the test fails when none comes within 20 s. */
void peer_recv(int sock, struct peer_reply *ret);
/* Skips events until the answer with this number; it must be of this kind. */
void peer_answer(int sock, unsigned kind, uint32_t sequence, struct peer_reply *ret);
/* Sends and waits for the answer. */
void peer_call(int sock, unsigned kind, const char *json, struct peer_reply *ret);
/* The same; 0 or the code of the refusal. */
int peer_code(int sock, unsigned kind, const char *json);
/* True when the other end is closed. */
bool peer_closed(int sock);
const char *peer_str(const struct peer_reply *reply, const char *key);
