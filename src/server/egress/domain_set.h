/*
 * Domain patterns: "example.com" (that name only), "*.example.com" (names below it only) and "*"
 * (every name). A set finds the most specific pattern of a name with a number of comparisons that
 * grows with the name's labels, not with the patterns.
 */
#pragma once

#include <stdbool.h>

#include "base/base.h"

#define WR_DOMAIN_MAX 253 /* bytes of a name, without a dot at the end */

/* One or more labels of at most 63 letters, digits, '-' and '_', the last one with a letter, so
 * that a broken address is no name. */
bool wr_domain_is_name(const char *name);
bool wr_domain_is_pattern(const char *pattern);
/* In lower case, without a dot at the end. False when the name is empty or too long. */
bool wr_domain_normalize(const char *name, char out[static WR_DOMAIN_MAX + 1]) WR_MUST_CHECK;

struct wr_domain_entry {
    char *name; /* owned, lower case; "" for "*" */
    bool below; /* a pattern that begins with '*' */
    size_t index;
};
/* Zeroed before the first use. */
struct wr_domain_set {
    struct wr_domain_entry *entries; /* owned; sorted by wr_domain_set_sort() */
    size_t count, cap;
};

void wr_domain_set_done(struct wr_domain_set *set);
/* Of a valid pattern. `index` is the caller's. 0 or -ENOMEM. */
int wr_domain_set_add(struct wr_domain_set *set, const char *pattern, size_t index) WR_MUST_CHECK;
/* After the last addition, before the first search. */
void wr_domain_set_sort(struct wr_domain_set *set);
/* The most specific pattern of a normalized name: the name itself, then the longest "*.suffix",
 * then "*". NULL: none. Borrowed. */
const struct wr_domain_entry *wr_domain_set_find(const struct wr_domain_set *set, const char *name);
