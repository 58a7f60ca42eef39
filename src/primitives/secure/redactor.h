/*
 * The inside of a redactor: detectors, each a compiled pattern that finds places on its own.
 * docs/internals/redaction.md has the rules that make a stream and a whole text give the same.
 */
#pragma once

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/base.h"
#include "warren/secure.h"

/* The most that is looked at behind the start of a match, and the most that a stream holds back. */
#define WR_REDACT_WINDOW  ((size_t)64 * 1024)
/* What lies before a start and may be looked at: assertions that look behind. */
#define WR_REDACT_CONTEXT ((size_t)1024)

struct wr_detector {
    pcre2_code *code;
    bool owned;         /* `code` is this redactor's, not its base's */
    double min_entropy; /* what it finds counts from so many bits per byte on */
};

struct wr_redactor {
    pcre2_general_context *memory; /* wipes what it frees: literals are compiled into programs */
    struct wr_detector *detectors;
    size_t count;
    char *replacement;
    size_t replacement_len;
};

/* `base`'s detectors, which it must outlive, and these literals. NULL on failure. */
struct wr_redactor *wr_redactor_extended(const struct wr_redactor *base,
                                         const char *const *literals, size_t count,
                                         struct wr_error *err);
void wr_redactor_free_ptr(struct wr_redactor **redactor);
#define wr_auto_redactor WR_CLEANUP(wr_redactor_free_ptr) struct wr_redactor

/* How many places were replaced so far, and how many of them only because a pattern reached a
 * limit. */
size_t wr_redaction_count(const struct wr_redaction *redaction);
size_t wr_redaction_limited(const struct wr_redaction *redaction);
/* After the last piece: how many bytes of the text were left out. */
uint64_t wr_redaction_covered(const struct wr_redaction *redaction);
void wr_redaction_free_ptr(struct wr_redaction **redaction);
#define wr_auto_redaction WR_CLEANUP(wr_redaction_free_ptr) struct wr_redaction
