/* One step of a detector over a part of a text, with bounds on its work. */
#pragma once

#include "primitives/secure/redactor.h"

enum wr_search_result {
    WR_SEARCH_NONE = 0,      /* nothing begins in the part */
    WR_SEARCH_FOUND = 1,     /* [start, end) */
    WR_SEARCH_UNDECIDED = 2, /* what begins at `start` depends on what follows the part */
    WR_SEARCH_LIMIT = 3,     /* what begins at `start` takes too much work to be known */
};

struct wr_search_part {
    const char *text; /* what lies before `from` is only looked back at */
    size_t len, from;
    bool whole; /* nothing follows the part */
};

struct wr_search_hit {
    size_t start, end;
    bool costly; /* it took many steps to decide what begins at `start` */
};

/* What a thread needs for searching, besides the detectors. */
struct wr_searcher {
    pcre2_match_data *match;
    pcre2_match_context *cheap, *full;
};

int wr_searcher_init(struct wr_searcher *searcher, struct wr_error *err) WR_MUST_CHECK;
void wr_searcher_done(struct wr_searcher *searcher);
/* The first place at or behind `from`. FOUND and NONE may be `costly`: nothing begins at
 * hit->start then, and the search goes on behind it. */
enum wr_search_result wr_search(struct wr_searcher *searcher, const struct wr_detector *detector,
                                const struct wr_search_part *part, struct wr_search_hit *ret);
