/* Clocks. */
#pragma once

#include "base/base.h"

/* CLOCK_MONOTONIC: for durations and deadlines inside one boot. */
uint64_t wr_mono_us(void);
uint64_t wr_mono_ms(void);
/* When something that begins now and has `timeout_ms` ends, by wr_mono_ms(); UINT64_MAX: never. */
uint64_t wr_mono_end_ms(uint64_t timeout_ms);
/* CLOCK_REALTIME in ms since 1970: for what people and files see. */
uint64_t wr_wall_ms(void);
/* RFC 3339 UTC with milliseconds, "2026-01-02T03:04:05.678Z"; `out` holds 25 bytes. */
void wr_format_rfc3339(uint64_t wall_ms, char out[static 25]);
