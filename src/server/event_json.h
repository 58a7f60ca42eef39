/* An event of the store as clients read it: in the answers of the API, and as webhooks get it. */
#pragma once

#include "json/jwrite.h"
#include "server/store/store.h"

/* With its braces. Members whose value is not known are left out. */
void wr_event_write_api(struct wr_jw *w, const struct wr_store_event *event);
/* The same in the spelling of E2B's deliveries. */
void wr_event_write_payload(struct wr_jw *w, const struct wr_store_event *event);
