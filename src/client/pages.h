/* Lists that a server gives page by page. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

#define WR_PAGE_NEXT_MAX   1024
#define WR_PAGE_NEXT_FIELD "X-Next-Token"

struct wr_page {
    bool has_next;
    char next[WR_PAGE_NEXT_MAX]; /* of that field; "" with has_next: too long */
    struct wr_buf body;          /* its maximum bounds the page */
};

struct wr_pages {
    const char *what;   /* the list in errors: "list of sandboxes" */
    const char *target; /* path, and a query that is not empty */
    /* Gets one page. */
    int (*fetch)(void *data, const char *target, struct wr_page *ret, struct wr_error *err);
    void *data;
};

/* All of them, an array, the caller's. What a server may fill the memory with is bounded:
 * RESOURCE_EXHAUSTED. INTERNAL: an answer that is no list. */
int wr_pages_read(const struct wr_pages *pages, json_t **ret, struct wr_error *err) WR_MUST_CHECK;
