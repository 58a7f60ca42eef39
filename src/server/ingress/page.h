/* An error page for people: one self-contained HTML document without scripts. */
#pragma once

#include "base/buf.h"

struct wr_page {
    int status;
    const char *title;
    const char *text; /* one or two sentences */
    const char *hint; /* what to do; NULL: nothing */
    const char *id;   /* of the sandbox; NULL: not shown */
};

/* Starts with "<html" and ends with "</html>". Every string is escaped. 0, -ENOBUFS or -ENOMEM. */
int wr_page_write(struct wr_buf *out, const struct wr_page *page) WR_MUST_CHECK;
