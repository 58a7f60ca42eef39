#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/error.h"
#include "primitives/secure/entropy.h"
#include "primitives/secure/redaction_search.h"
#include "primitives/secure/redactor.h"

#define SLICE            ((size_t)64 * 1024) /* what is taken in at a time */
#define MAX_HELD         (WR_REDACT_CONTEXT + WR_REDACT_WINDOW + SLICE + 16)
#define MAX_OUTPUT       ((size_t)1 << 32)
#define MAX_INTERVALS    ((size_t)1 << 20)
/* Places of one block of text that may take a detector many steps. */
#define COSTLY_PER_BLOCK 64
#define LIMIT_NOTE       " (a pattern reached its limit here, 64 KiB are left out)"

/* Positions are offsets in the whole text. */
struct interval {
    uint64_t start, end;
    bool limit;
};

/* How far a detector has come: whether something begins before `next` is known. */
struct progress {
    uint64_t next;
    uint64_t again_at; /* not worth a look before the text is so long */
    uint64_t block;
    unsigned costly; /* places of `block` */
    bool to_end;     /* what begins from `next` on depends on where the text ends, which is known */
};

struct wr_redaction {
    const struct wr_redactor *redactor; /* borrowed */
    struct wr_searcher searcher;
    struct progress *progress; /* one per detector */
    struct wr_buf held;
    uint64_t base;    /* position of the first byte that is held */
    uint64_t emitted; /* what lies before it has gone out, or was replaced */
    uint64_t redacted_to;
    bool redacted, noted; /* a replacement ends at `redacted_to`; with the note */
    bool finished;
    struct interval *intervals;
    size_t interval_count, interval_cap;
    size_t count, limited;
    uint64_t passed; /* bytes of text that went out as they were */
};

struct wr_redaction *wr_redaction_free(struct wr_redaction *redaction)
{
    if (!redaction)
        return NULL;
    wr_searcher_done(&redaction->searcher);
    wr_buf_done(&redaction->held);
    free(redaction->progress);
    free(redaction->intervals);
    free(redaction);
    return NULL;
}

void wr_redaction_free_ptr(struct wr_redaction **redaction)
{
    *redaction = wr_redaction_free(*redaction);
}

struct wr_redaction *wr_redaction_new(const struct wr_redactor *redactor, struct wr_error *err)
{
    wr_auto_redaction *redaction = NULL;

    if (!redactor) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "there is no redactor (NULL)");
        return NULL;
    }
    redaction = wr_calloc(1, sizeof *redaction);
    if (redaction)
        redaction->progress = wr_calloc(redactor->count + 1, sizeof *redaction->progress);
    if (!redaction || !redaction->progress) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redaction");
        return NULL;
    }
    redaction->redactor = redactor;
    wr_buf_init(&redaction->held, MAX_HELD);
    redaction->held.wipe = true;
    if (wr_searcher_init(&redaction->searcher, err) < 0)
        return NULL;
    return wr_steal_ptr(&redaction);
}

size_t wr_redaction_count(const struct wr_redaction *redaction)
{
    return redaction->count;
}

size_t wr_redaction_limited(const struct wr_redaction *redaction)
{
    return redaction->limited;
}

uint64_t wr_redaction_covered(const struct wr_redaction *redaction)
{
    return redaction->base + redaction->held.len - redaction->passed;
}

/* ---- finding ---- */

static int add_interval(struct wr_redaction *r, struct interval interval, struct wr_error *err)
{
    if (r->interval_count == r->interval_cap) {
        size_t cap = r->interval_cap ? 2 * r->interval_cap : 16;
        struct interval *more = NULL;
        if (cap <= MAX_INTERVALS)
            more = reallocarray(r->intervals, cap, sizeof *more);
        if (!more)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redaction: too many matches");
        r->intervals = more;
        r->interval_cap = cap;
    }
    r->intervals[r->interval_count++] = interval;
    return 0;
}

/* [start, end) is one, unless it is a word that looks ordinary. */
static int found(struct wr_redaction *r, const struct wr_detector *detector,
                 struct interval interval, struct wr_error *err)
{
    if (detector->min_entropy > 0 &&
        wr_entropy(wr_buf_ptr(&r->held) + (interval.start - r->base),
                   interval.end - interval.start) < detector->min_entropy)
        return 0;
    return add_interval(r, interval, err);
}

/* Whether the block of text that `at` lies in has had its share of costly places. Blocks begin at
 * fixed positions, so that it does not matter how the text was cut. */
static bool too_costly(struct progress *progress, uint64_t at)
{
    uint64_t block = at / WR_REDACT_WINDOW;

    if (block != progress->block) {
        progress->block = block;
        progress->costly = 0;
    }
    return ++progress->costly > COSTLY_PER_BLOCK;
}

/* What is left out when it cannot be known: everything that a match there could reach. */
static int leave_out(struct wr_redaction *r, struct progress *progress, uint64_t start,
                     struct wr_error *err)
{
    progress->next = start + WR_REDACT_WINDOW;
    return add_interval(r, (struct interval){.start = start, .end = progress->next, .limit = true},
                        err);
}

/* One search of a detector. *ret_more: there may be more to find in what is held. */
static int step(struct wr_redaction *r, const struct wr_detector *detector,
                struct progress *progress, bool last, bool *ret_more, struct wr_error *err)
{
    uint64_t end = r->base + r->held.len;
    uint64_t reach = WR_MIN(end, progress->next + WR_REDACT_WINDOW);
    struct wr_search_part part = {.text = wr_buf_ptr(&r->held),
                                  .len = reach - r->base,
                                  .from = progress->next - r->base,
                                  .whole = progress->to_end};
    struct wr_search_hit hit = {0};

    enum wr_search_result result = wr_search(&r->searcher, detector, &part, &hit);
    uint64_t start = r->base + hit.start;
    if (result == WR_SEARCH_LIMIT || (hit.costly && too_costly(progress, start)))
        return leave_out(r, progress, start, err);
    if (result == WR_SEARCH_NONE) {
        progress->next = hit.costly ? start + 1 : reach;
        return 0;
    }
    if (result == WR_SEARCH_FOUND) {
        progress->next = r->base + hit.end;
        return found(r, detector, (struct interval){.start = start, .end = progress->next}, err);
    }
    if (start == progress->next && reach < end) {
        /* More text than a match may have does not decide it. Of a word each part counts alone. */
        if (detector->min_entropy == 0)
            return leave_out(r, progress, start, err);
        progress->next = reach;
        return found(r, detector, (struct interval){.start = start, .end = reach}, err);
    }
    progress->next = start;
    if (reach < end)
        return 0;
    /* The end of the text counts as such only now: a search that knows it takes short cuts, and
     * what is costly must not depend on when the end was known. */
    progress->to_end = last;
    /* Not at every byte: what is waited for may be long, and is searched from its start. */
    progress->again_at = WR_MIN(end + 1 + (end - start) / 8, start + WR_REDACT_WINDOW + 1);
    *ret_more = last;
    return 0;
}

static int find(struct wr_redaction *r, bool last, struct wr_error *err)
{
    uint64_t end = r->base + r->held.len;

    for (size_t i = 0; i < r->redactor->count; i++) {
        struct progress *progress = &r->progress[i];
        bool more = last || end >= progress->again_at;
        while (more && progress->next < end) {
            int rc = step(r, &r->redactor->detectors[i], progress, last, &more, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

/* ---- handing out ---- */

static int by_start(const void *a, const void *b)
{
    const struct interval *one = a, *other = b;

    if (one->start != other->start)
        return one->start < other->start ? -1 : 1;
    return (int)other->limit - (int)one->limit;
}

/* Before it all is known; not in the middle of a character, if more follows. */
static uint64_t frontier(const struct wr_redaction *r, bool last)
{
    uint64_t end = r->base + r->held.len, least = end;
    const char *text = wr_buf_ptr(&r->held);

    for (size_t i = 0; i < r->redactor->count; i++)
        least = WR_MIN(least, r->progress[i].next);
    if (last)
        return end;
    for (uint64_t back = 1; back <= 3 && least >= r->base + back; back++) {
        unsigned char c = (unsigned char)text[least - back - r->base];
        if (c < 0x80)
            break;
        if (c < 0xc0)
            continue;
        uint64_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
        return length > back ? least - back : least;
    }
    return least;
}

static int emit_text(struct wr_redaction *r, uint64_t to, struct wr_buf *out)
{
    if (to <= r->emitted)
        return 0;
    int rc = wr_buf_append(out, wr_buf_ptr(&r->held) + (r->emitted - r->base), to - r->emitted);
    r->passed += to - r->emitted;
    r->emitted = to;
    return rc;
}

/* Matches that touch are one replacement. */
static int emit_interval(struct wr_redaction *r, const struct interval *interval,
                         struct wr_buf *out)
{
    int rc = 0;

    if (!r->redacted || interval->start > r->redacted_to) {
        rc = emit_text(r, interval->start, out);
        if (rc == 0)
            rc = wr_buf_append(out, r->redactor->replacement, r->redactor->replacement_len);
        r->redacted = true;
        r->noted = false;
        r->redacted_to = interval->end;
        r->count++;
    }
    if (rc == 0 && interval->limit && !r->noted) {
        rc = wr_buf_append_str(out, LIMIT_NOTE);
        r->noted = true;
        r->limited++;
    }
    r->redacted_to = WR_MAX(r->redacted_to, interval->end);
    r->emitted = WR_MAX(r->emitted, r->redacted_to);
    return rc;
}

static int emit(struct wr_redaction *r, bool last, struct wr_buf *out, struct wr_error *err)
{
    uint64_t to = frontier(r, last);
    size_t done = 0;
    int rc = 0;

    if (r->interval_count > 1)
        qsort(r->intervals, r->interval_count, sizeof *r->intervals, by_start);
    for (; rc == 0 && done < r->interval_count && r->intervals[done].start < to; done++)
        rc = emit_interval(r, &r->intervals[done], out);
    if (done > 0) {
        r->interval_count -= done;
        memmove(r->intervals, r->intervals + done, r->interval_count * sizeof *r->intervals);
    }
    if (rc == 0)
        rc = emit_text(r, to, out);
    return rc == 0 ? 0 : wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "redacted text");
}

/* What no detector looks at any more, and has gone out. */
static void forget(struct wr_redaction *r)
{
    uint64_t keep = WR_MIN(r->emitted, r->base + r->held.len);

    for (size_t i = 0; i < r->redactor->count; i++)
        keep = WR_MIN(keep, r->progress[i].next);
    keep = keep > WR_REDACT_CONTEXT ? keep - WR_REDACT_CONTEXT : 0;
    if (keep > r->base) {
        wr_buf_consume(&r->held, keep - r->base);
        r->base = keep;
    }
}

static int take(struct wr_redaction *r, const char *text, size_t len, bool last, struct wr_buf *out,
                struct wr_error *err)
{
    int rc = wr_buf_append(&r->held, text, len);

    if (rc < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, -rc, "redaction");
    rc = find(r, last, err);
    if (rc == 0)
        rc = emit(r, last, out, err);
    if (rc == 0)
        forget(r);
    return rc;
}

/* The bytes of a buffer as memory of the caller's. */
static int hand_over(struct wr_buf *out, char **ret, size_t *ret_len, struct wr_error *err)
{
    char *copy = malloc(out->len + 1);

    if (!copy)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "redacted text");
    if (out->len > 0)
        memcpy(copy, wr_buf_ptr(out), out->len);
    copy[out->len] = '\0';
    *ret = copy;
    *ret_len = out->len;
    return 0;
}

int wr_redaction_feed(struct wr_redaction *r, const char *text, size_t len, bool last, char **ret,
                      size_t *ret_len, struct wr_error *err)
{
    wr_auto_buf out = WR_BUF(MAX_OUTPUT);
    int rc = 0;

    if (!r || (len > 0 && !text))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s is missing (NULL)",
                       r ? "the text" : "the redaction");
    if (r->finished)
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "the last piece of this text was there already");
    for (size_t at = 0; rc == 0 && len - at > SLICE; at += SLICE)
        rc = take(r, text + at, SLICE, false, &out, err);
    size_t rest = len > 0 ? (len - 1) % SLICE + 1 : 0;
    if (rc == 0)
        rc = take(r, text ? text + (len - rest) : "", rest, last, &out, err);
    /* After a failure nothing is known of what follows. */
    r->finished = last || rc < 0;
    return rc < 0 ? rc : hand_over(&out, ret, ret_len, err);
}

int wr_redact(const struct wr_redactor *redactor, const char *text, size_t len, char **ret,
              size_t *ret_len, size_t *ret_count, struct wr_error *err)
{
    wr_auto_redaction *redaction = wr_redaction_new(redactor, err);

    if (!redaction)
        return -err->code;
    int rc = wr_redaction_feed(redaction, text, len, true, ret, ret_len, err);
    if (rc == 0 && ret_count)
        *ret_count = redaction->count;
    return rc;
}
