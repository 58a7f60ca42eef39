/* A resume, or a rollback: the engine is asked, then the agent is told what it is now. */
#pragma once

#include "server/transition.h"

/* Carries out t->wish, a WR_TO_RESUME or WR_TO_ROLLBACK. */
void wr_transition_resume(struct wr_transition *t);
/* Once more for the sockets of a sandbox that runs. */
void wr_transition_ask_resume(struct wr_transition *t);
