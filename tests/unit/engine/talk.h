/* A conversation with an engine of the fake driver, for tests of its core. */
#pragma once

#include <sys/types.h>

#include "engine/engine.h"
#include "peer.h"

#define TALK_TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TALK_ID(c) c c c c c c c c c c c c c c c c c c c c

struct talk {
    int sock;
    pid_t engine; /* a process of its own, without keeper */
    struct peer_reply reply;
};

/* `ops` may be NULL: the fake driver. Has read READY. */
struct talk talk_start(const struct wr_driver_ops *ops);
/* Its exit status, when it has ended. */
int talk_ended(const struct talk *talk);
/* Sends an action; its descriptors in `talk->reply` are closed already. 0 or the code of the
 * refusal. */
int talk_call(struct talk *talk, unsigned kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Reads the answer with this number, as talk_call() does. */
int talk_answer(struct talk *talk, unsigned kind, uint32_t sequence);
/* What is done with sandboxes of template "held" is not over before the second call. */
void talk_hold(struct talk *talk);
/* Of the last answer. */
long long talk_number(const struct talk *talk, const char *key);
bool talk_true(const struct talk *talk, const char *key);
/* What LIST says about a sandbox, valid until the next action; NULL when it does not. */
const json_t *talk_listed(struct talk *talk, const char *id);
/* Its level; "" when it is not listed. */
const char *talk_level(struct talk *talk, const char *id);
