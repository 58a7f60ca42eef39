/* What an execution gives (warren/executor.h), made from what the interpreter gave. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/code.h"

/* Lines as they came, "[stdout] ..." and "[stderr] ...". */
struct wr_output_lines {
    json_t *lines; /* owned */
    char *part[2]; /* owned: of each stream, what has no line break yet */
    size_t part_len[2];
    size_t left; /* bytes of text that are still taken */
};

/* `max_bytes` of text are kept. */
int wr_output_lines_init(struct wr_output_lines *lines, size_t max_bytes, struct wr_error *err)
    WR_MUST_CHECK;
/* Text of WR_CODE_STDOUT and WR_CODE_STDERR; others are passed over. */
void wr_output_lines_add(struct wr_output_lines *lines, const struct wr_code_event *event);
void wr_output_lines_done(struct wr_output_lines *lines);

/* All borrowed. */
struct wr_execution_facts {
    const json_t *run; /* of wr_code_run() */
    struct wr_output_lines *lines;
    size_t max_output; /* characters */
    double sandbox_ms;
    const char *sandbox_id, *language;
};

/* NULL without memory. */
json_t *wr_execution_result(const struct wr_execution_facts *facts);

/* Whether the code of a result of wr_code_run() ended without an error. SystemExit of a status that
 * says success is none. */
bool wr_execution_succeeded(const json_t *run);
/* "Class: message" of an error of wr_code_run(), to free(). NULL without memory. */
char *wr_execution_error_text(const json_t *error);
/* The value of the cell's last expression as text, borrowed; NULL when there is none. */
const char *wr_execution_main_text(const json_t *run, size_t *ret_len);

/* How many of `len` bytes the first `max` characters are; all of them when there are no more. */
size_t wr_execution_prefix(const char *text, size_t len, size_t max);
