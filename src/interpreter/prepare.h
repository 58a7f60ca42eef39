/*
 * A blank sandbox: its default Python context is started and runs one silent cell before anybody
 * asks for it; POST /init hands it to its user (docs/internals/interpreter.md).
 */
#pragma once

#include "interpreter/interpreter.h"

struct wr_context;

/* Starts to prepare. A failure is kept for wr_prepare_is_ready(). */
void wr_prepare_begin(struct wr_interpreter *interpreter);
/* struct wr_agent_service: ready and assign. */
bool wr_prepare_is_ready(const struct wr_interpreter *interpreter, const char **ret_failed);
void wr_prepare_assign(struct wr_interpreter *interpreter, void (*done)(void *data), void *data);

/* From contexts, for any of them: its runner is idle; it was lost. */
void wr_prepare_ready(struct wr_context *context);
void wr_prepare_lost(struct wr_context *context, const char *why);
