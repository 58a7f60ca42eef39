/* Whether a person looks at the answer, in a browser, or a program. */
#pragma once

#include "http/h1.h"

/* A browser's User-Agent, JSON is not preferred, and no script has sent the request. */
bool wr_wants_page(const struct wr_h1_head *head);
