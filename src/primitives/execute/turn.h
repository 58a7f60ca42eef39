/*
 * One at a time: executions of a session. Its cells wait for each other anyway; here nobody's time
 * runs while it waits, and what is done after a cell that did not end cannot hit somebody else's.
 */
#pragma once

#include "base/base.h"
#include "warren/workflow.h"

struct wr_turn {
    int fd; /* an eventfd that is readable when it is nobody's turn; -1: there are no turns */
};

int wr_turn_init(struct wr_turn *turn, struct wr_error *err) WR_MUST_CHECK;
void wr_turn_done(struct wr_turn *turn);
/* Waits within the workflow's time: DEADLINE_EXCEEDED, CANCELED. At once without turns. */
int wr_turn_take(struct wr_turn *turn, const struct wr_workflow *workflow, struct wr_error *err)
    WR_MUST_CHECK;
void wr_turn_give(struct wr_turn *turn);
