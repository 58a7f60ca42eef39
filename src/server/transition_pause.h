/* A pause: the agent is asked and told, the row is made durable, the engine asked. */
#pragma once

#include "server/transition.h"

struct wr_record;

/* Carries out t->wish, a WR_TO_PAUSE. */
void wr_transition_pause(struct wr_transition *t);
/* The sandbox is paused as the engine has it, at the level of the wish or as deep as it can be. */
void wr_transition_pause_reached(struct wr_transition *t, const struct wr_record *seen);
