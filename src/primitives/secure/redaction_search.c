#include "primitives/secure/redaction_search.h"

#include <errno.h>

#include "base/error.h"

/*
 * PCRE2 counts steps anew for each place at which a match may begin. Nearly all places need a
 * handful; so a search has a low limit, and the few places that reach it are tried again, alone,
 * with the high one. The interpreter is used, not the JIT compiler: there the limits mean what they
 * say.
 */
#define CHEAP_STEPS 1000
#define FULL_STEPS  200000
#define HEAP_KIB    32768

static pcre2_match_context *context_of(uint32_t steps)
{
    pcre2_match_context *context = pcre2_match_context_create(NULL);

    if (context) {
        (void)pcre2_set_match_limit(context, steps);
        (void)pcre2_set_depth_limit(context, steps);
        (void)pcre2_set_heap_limit(context, HEAP_KIB);
    }
    return context;
}

int wr_searcher_init(struct wr_searcher *searcher, struct wr_error *err)
{
    /* Only the place of the whole match is of interest. */
    searcher->match = pcre2_match_data_create(1, NULL);
    searcher->cheap = context_of(CHEAP_STEPS);
    searcher->full = context_of(FULL_STEPS);
    if (searcher->match && searcher->cheap && searcher->full)
        return 0;
    wr_searcher_done(searcher);
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redaction");
}

void wr_searcher_done(struct wr_searcher *searcher)
{
    pcre2_match_data_free(searcher->match);
    pcre2_match_context_free(searcher->cheap);
    pcre2_match_context_free(searcher->full);
    *searcher = (struct wr_searcher){0};
}

static int match(struct wr_searcher *searcher, const struct wr_detector *detector,
                 const struct wr_search_part *part, size_t from, bool at_from_only)
{
    uint32_t options = PCRE2_NOTEMPTY | (part->whole ? 0 : PCRE2_PARTIAL_HARD) |
                       (at_from_only ? PCRE2_ANCHORED : 0);

    return pcre2_match(detector->code, (PCRE2_SPTR)part->text, part->len, from, options,
                       searcher->match, at_from_only ? searcher->full : searcher->cheap);
}

/* Every error is one: a search that cannot be made has found nothing out. */
static bool is_limit(int rc)
{
    return rc < 0 && rc != PCRE2_ERROR_NOMATCH && rc != PCRE2_ERROR_PARTIAL;
}

/* The place whose steps were too many, for a search from `from` that met one. */
static size_t costly_place(struct wr_searcher *searcher, const struct wr_detector *detector,
                           const struct wr_search_part *part)
{
    size_t low = part->from, high = part->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        (void)pcre2_set_offset_limit(searcher->cheap, middle);
        if (is_limit(match(searcher, detector, part, low, false)))
            high = middle;
        else
            low = middle + 1;
    }
    (void)pcre2_set_offset_limit(searcher->cheap, PCRE2_UNSET);
    return low;
}

static enum wr_search_result result_of(int rc, struct wr_searcher *searcher,
                                       struct wr_search_hit *ret)
{
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(searcher->match);

    if (rc == PCRE2_ERROR_NOMATCH)
        return WR_SEARCH_NONE;
    ret->start = place[0];
    ret->end = place[1];
    return rc == PCRE2_ERROR_PARTIAL ? WR_SEARCH_UNDECIDED : WR_SEARCH_FOUND;
}

enum wr_search_result wr_search(struct wr_searcher *searcher, const struct wr_detector *detector,
                                const struct wr_search_part *part, struct wr_search_hit *ret)
{
    *ret = (struct wr_search_hit){0};
    int rc = match(searcher, detector, part, part->from, false);
    if (!is_limit(rc))
        return result_of(rc, searcher, ret);
    size_t place = costly_place(searcher, detector, part);
    rc = match(searcher, detector, part, place, true);
    if (is_limit(rc)) {
        ret->start = ret->end = place;
        return WR_SEARCH_LIMIT;
    }
    enum wr_search_result result = result_of(rc, searcher, ret);
    if (result == WR_SEARCH_NONE)
        ret->start = place;
    ret->costly = result != WR_SEARCH_UNDECIDED;
    return result;
}
