/* Requests that are answered with `null` when something has ended. */
#pragma once

#include "http/server.h"

/* Without memory it is answered now. */
void wr_waiter_add(struct wr_list *waiters, struct wr_exchange *ex);
/* Answers all. */
void wr_waiters_answer(struct wr_list *waiters);
