/* Plain HTTP answers of the agent. */
#pragma once

#include "http/server.h"

/* {"code":<status>,"message":"..."}, as envd's clients expect it. */
void wr_reply_error(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
/* A complete JSON answer. */
void wr_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *json);
