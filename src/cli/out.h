/* What commands print: aligned tables for people, JSON for programs. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define WR_TABLE_MAX_COLUMNS 10

struct wr_table {
    const char *const *headers; /* borrowed */
    size_t columns;
    char **cells; /* owned strings, row by row */
    size_t count, cap;
    bool failed; /* no memory */
};

void wr_table_init(struct wr_table *table, const char *const *headers, size_t columns);
void wr_table_done(struct wr_table *table);
/* Copies; control characters and bytes that are not UTF-8 become '?', so that no text can drive the
 * terminal. */
void wr_table_cell(struct wr_table *table, const char *text);
/* Prints to standard output. RESOURCE_EXHAUSTED without memory, UNKNOWN when writing fails. */
int wr_table_print(const struct wr_table *table, struct wr_error *err) WR_MUST_CHECK;

/* One JSON document and a newline to standard output. */
int wr_print_json(const json_t *json, struct wr_error *err) WR_MUST_CHECK;
/* "35 s", "12 min", "3.5 h", "2 d". */
void wr_format_span(uint64_t ms, char *out, size_t cap);
/* RFC 3339 UTC as the API writes it -> ms since 1970; 0 when it is not one. */
uint64_t wr_parse_time(const char *text);
/* A copy in which bytes that are not UTF-8, and NUL, became U+FFFD; the caller's. NULL without
 * memory. */
char *wr_utf8_repair(const char *bytes, size_t len) WR_MUST_CHECK;
