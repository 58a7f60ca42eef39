/* UUIDs (RFC 9562, version 4) in their text form. */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_UUID_LEN 36

void wr_uuid_new(char out[static WR_UUID_LEN + 1]);
/* 8-4-4-4-12 hex digits of either case; any version. */
bool wr_uuid_valid(const char *s);
