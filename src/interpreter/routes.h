/* What the interpreter answers to. */
#pragma once

#include "http/server.h"

/* A wr_http_handler; `interpreter` is the struct wr_interpreter. */
void wr_interpreter_handle(struct wr_exchange *ex, void *interpreter);
