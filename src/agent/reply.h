/* Plain HTTP answers of the agent. */
#pragma once

#include <stdarg.h>

#include "http/server.h"

/* {"code":<status>,"message":"..."}, as envd's clients expect it. */
void wr_reply_error(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
/* The same with one more field in its head. */
void wr_reply_error_with(struct wr_exchange *ex, int status, const char *name, const char *value,
                         const char *fmt, ...) WR_PRINTF(5, 6);
/* The same as wr_reply_error(), but after the end of the request's body: a client that still sends
 * would see a broken connection and not the reason. After ten seconds it is sent all the same. For
 * handlers that have set no callbacks; what comes is dropped. */
void wr_reply_error_late(struct wr_exchange *ex, int status, const char *fmt, ...) WR_PRINTF(3, 4);
/* {"code":"<word>","message":"..."}, as clients of the volumes' content expect it; otherwise the
 * same as wr_reply_error(), or with `late` as wr_reply_error_late(). */
void wr_reply_word(struct wr_exchange *ex, int status, const char *word, bool late, const char *fmt,
                   va_list ap) WR_PRINTF(5, 0);
/* A complete JSON answer. */
void wr_reply_json(struct wr_exchange *ex, int status, const struct wr_buf *json);
