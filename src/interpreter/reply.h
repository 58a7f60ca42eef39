/* Plain answers of the interpreter, in the forms that its clients know. */
#pragma once

#include "http/server.h"

/* The text alone, as text/plain. */
void wr_reply_text(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
/* {"detail":"..."} */
void wr_reply_detail(struct wr_exchange *ex, int status, const char *detail);
