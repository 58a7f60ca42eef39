/* Numbers with units, from text that people type. All return 0 or -EINVAL / -ERANGE. */
#pragma once

#include "base/base.h"

/* Decimal digits only: no sign, no blanks, no base prefix. */
int wr_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *ret) WR_MUST_CHECK;
int wr_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret) WR_MUST_CHECK;
/* "512M", "2G", "64k", "1.5G", "1048576": binary multiples, optional "iB"/"B". */
int wr_parse_size(const char *s, uint64_t *ret_bytes) WR_MUST_CHECK;
/* "500ms", "30s", "10m", "2h", "30" (seconds). */
int wr_parse_duration(const char *s, uint64_t *ret_ms) WR_MUST_CHECK;
/* "2", "0.5": CPUs in thousandths. */
int wr_parse_cpu(const char *s, uint64_t *ret_millis) WR_MUST_CHECK;
/* "1.4 GiB" into a small array, for people. */
void wr_format_size(uint64_t bytes, char *out, size_t cap);
