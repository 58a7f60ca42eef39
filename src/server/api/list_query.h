/* The query of GET /v2/sandboxes: what to show, in which order, and from where on. */
#pragma once

#include <jansson.h>

#include "http/server.h"
#include "server/request.h"
#include "server/sandbox_table.h"

#define WR_LIST_LIMIT_MAX  100
/* Longest cursor as text with NUL. */
#define WR_LIST_CURSOR_MAX 96

struct wr_list_query {
    json_t *metadata;     /* owned; pairs that must be there, or NULL */
    bool running, paused; /* sandboxes in these states are wanted */
    bool ascending;
    bool nothing;              /* no sandbox can match */
    uint64_t started_after_us; /* inclusive; wall clock */
    char template_name[64];    /* name or ID; "": all */
    uint32_t limit;
    bool has_cursor;
    uint64_t cursor_ms; /* the last sandbox of the page before: created_ms */
    char cursor_id[WR_ID_LEN + 1];
};

/* INVALID_ARGUMENT with E2B's words. */
int wr_list_query_read(const struct wr_exchange *ex, const struct wr_principal *who,
                       struct wr_list_query *ret, struct wr_error *err) WR_MUST_CHECK;
/* Only `metadata`, for the list of version 1, which has only running ones. */
int wr_list_query_read_v1(const struct wr_exchange *ex, struct wr_list_query *ret,
                          struct wr_error *err) WR_MUST_CHECK;
void wr_list_query_done(struct wr_list_query *query);
/* Without regard to the cursor; the state is the caller's. */
bool wr_list_query_match(const struct wr_list_query *query, const struct wr_sandbox *sandbox);
/* Negative when `a` comes before `b`: newest first then by id, or the exact reverse. */
int wr_list_query_compare(const struct wr_list_query *query, const struct wr_sandbox *a,
                          const struct wr_sandbox *b);
/* Whether `sandbox` is behind the cursor. */
bool wr_list_query_behind(const struct wr_list_query *query, const struct wr_sandbox *sandbox);
/* The text that continues behind `last`. */
void wr_list_query_cursor(const struct wr_list_query *query, const struct wr_sandbox *last,
                          char out[static WR_LIST_CURSOR_MAX]);

/* Cursors as text, for tests and fuzzing. INVALID_ARGUMENT. */
int wr_list_cursor_read(const char *text, struct wr_list_query *query, struct wr_error *err)
    WR_MUST_CHECK;
