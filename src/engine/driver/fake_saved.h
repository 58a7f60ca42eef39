/* What was saved of sandboxes in the fake driver: a list in memory. */
#pragma once

#include "base/list.h"
#include "engine/driver/driver.h"

struct wr_fake_saved {
    struct wr_list link;
    struct wr_saved saved; /* its spec is the one below */
    struct wr_spec spec;   /* with the environment, as an image has it */
    bool hibernated;       /* a sandbox, not a snapshot */
};

/* `list` is an initialised head, ordered by id. Keeps a copy, in place of an earlier one. */
int wr_fake_saved_put(struct wr_list *list, const struct wr_saved *saved, bool hibernated,
                      struct wr_error *err) WR_MUST_CHECK;
/* NULL when there is none. */
const struct wr_fake_saved *wr_fake_saved_find(const struct wr_list *list, const char *id,
                                               bool hibernated);
/* NOT_FOUND */
int wr_fake_saved_remove(struct wr_list *list, const char *id, struct wr_error *err) WR_MUST_CHECK;
/* Snapshots only. */
void wr_fake_saved_list(const struct wr_list *list, const char *after, size_t max,
                        void (*fn)(const struct wr_saved *saved, void *data), void *data,
                        bool *ret_more);
void wr_fake_saved_free(struct wr_list *list);
