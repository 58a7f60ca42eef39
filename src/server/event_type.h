/* The kinds of events of a sandbox's life, as E2B names them. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_EVENT_TYPE_PREFIX "sandbox.lifecycle."

/* A set of kinds: one bit each. */
typedef uint32_t wr_event_set;

#define WR_EVENT_TYPES 6

/* "sandbox.lifecycle.created", ...; i below WR_EVENT_TYPES. */
const char *wr_event_type_name(size_t i);
/* What E2B's older clients know it by: "create", "kill", ... */
const char *wr_event_type_label(const char *type);
/* The bit of a kind; 0 when there is none of that name. */
wr_event_set wr_event_type_bit(const char *type);
