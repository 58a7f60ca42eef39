/** @file
 * Errors: a code, and one sentence that says what failed, why, and what helps.
 *
 * Functions that can fail return 0 or the negative code, fill the caller's struct wr_error (never
 * NULL), and leave their other outputs as they were. Those that return a pointer return NULL.
 */
#pragma once

#include "warren/base.h"

WR_BEGIN_DECLS

/** The 16 codes of the Connect protocol (connectrpc.com/docs/protocol, "Error Codes"), in its
 * order.
 */
enum wr_code {
    WR_OK = 0,
    WR_E_CANCELED = 1,
    WR_E_UNKNOWN = 2,
    WR_E_INVALID_ARGUMENT = 3,
    WR_E_DEADLINE_EXCEEDED = 4,
    WR_E_NOT_FOUND = 5,
    WR_E_ALREADY_EXISTS = 6,
    WR_E_PERMISSION_DENIED = 7,
    WR_E_RESOURCE_EXHAUSTED = 8,
    WR_E_FAILED_PRECONDITION = 9,
    WR_E_ABORTED = 10,
    WR_E_OUT_OF_RANGE = 11,
    WR_E_UNIMPLEMENTED = 12,
    WR_E_INTERNAL = 13,
    WR_E_UNAVAILABLE = 14,
    WR_E_DATA_LOSS = 15,
    WR_E_UNAUTHENTICATED = 16,
    WR_E_MAX_ /**< not a code */
};

/** Allocated by the caller; plain data, nothing to free. */
struct wr_error {
    int code;                /**< enum wr_code, positive; 0: no error */
    int os_errno;            /**< 0 when no system call was the cause */
    uint32_t retry_after_ms; /**< how long the other side asks to wait; 0: it did not say */
    char msg[240];           /**< one sentence */
};

/** What an error means to a caller that may try again. Values can be joined with `|`. */
enum wr_error_class {
    WR_CLASS_NONE = 0,
    WR_CLASS_INPUT = 1,      /**< the request is wrong, and stays wrong */
    WR_CLASS_TIMEOUT = 2,    /**< the code, or the caller's own deadline, ran out of time */
    WR_CLASS_RATE_LIMIT = 4, /**< too much at once, or too often: later it may pass */
    WR_CLASS_SERVICE = 8,    /**< network, server, or a sandbox that went away */
    WR_CLASS_ACCESS = 16,    /**< key missing, wrong, or not allowed to; a policy that says no */
    WR_CLASS_CANCELED = 32,  /**< the caller gave up */
    WR_CLASS_CODE = 64,      /**< no error of the service: the code that ran has failed */
};

/** The Connect name of a code, e.g. "not_found". Constant. */
WR_PUBLIC const char *wr_code_name(enum wr_code code);
/** The class of `err->code`; never WR_CLASS_CODE, which only results have. */
WR_PUBLIC enum wr_error_class wr_error_classify(const struct wr_error *err);
/** "input", "timeout", "rate_limit", "service", "access", "canceled", "code"; "none". Constant. */
WR_PUBLIC const char *wr_error_class_name(enum wr_error_class error_class);

WR_END_DECLS
