/*
 * Filling the one error struct for everything above base/ and sys/ (warren/error.h).
 *
 * It is of fixed size, so that it works without memory and can be written to a pipe as it is.
 * base/ and sys/ return 0 or a negative errno; everything above returns 0 or -WR_E_* and fills
 * `err`. Outputs are untouched on failure. `err` is never NULL.
 */
#pragma once

#include "base/base.h"
#include "warren/error.h"

/* Fills `err` and returns -code. `os_errno` != 0 appends ": <strerror>"; retry_after_ms becomes 0.
 */
int wr_fail(struct wr_error *err, enum wr_code code, int os_errno, const char *fmt, ...)
    WR_PRINTF(4, 5);
/* wr_fail with the current errno. */
int wr_fail_errno(struct wr_error *err, enum wr_code code, const char *fmt, ...) WR_PRINTF(3, 4);
/* Prefixes the message already in `err` ("prefix: old") and returns -err->code. */
int wr_wrap(struct wr_error *err, const char *fmt, ...) WR_PRINTF(2, 3);

/* For a struct that another process sent: ends the text and turns a code that does not exist into
 * INTERNAL. Returns -code, 0 for success. */
int wr_error_received(struct wr_error *err);

/* Attributes of a code, from one table. */
int wr_code_http_status(enum wr_code code);
/* Exit status of the CLI: 64..79, one per code, so that it stays clear of a program's own. */
int wr_code_exit_status(enum wr_code code);
/* The code with that Connect name, or WR_E_UNKNOWN. */
enum wr_code wr_code_from_name(const char *name);
/* strerrorname-like text that needs no locale; thread-safe. */
const char *wr_errno_text(int os_errno);
/* The code that fits an errno (ENOENT -> NOT_FOUND, ENOSPC -> RESOURCE_EXHAUSTED, ...; else
 * INTERNAL). */
enum wr_code wr_code_from_errno(int os_errno);
