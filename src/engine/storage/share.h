/*
 * Shares: what the API calls volumes, directories that several sandboxes mount at the same time and
 * that outlive them (docs/internals/volumes.md). In code "volume" is the data volume (volume.h), in
 * which they lie, each with a hard limit on its bytes:
 *
 *   <data>/volume/volumes/<uuid>/data         what sandboxes see
 *   <data>/volume/volumes/<uuid>/record.json  {"format", "volume", "sizeBytes", "createdMs"}
 *
 * A directory without a record is half-made or half-removed, and nobody's.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_shares;
struct wr_volume;

#define WR_SHARE_ID_LEN 36

/* A UUID as the engine takes it: lower case, because it becomes a file name. */
bool wr_share_id_valid(const char *id);

/* Opens <data>/volume/volumes, which is made if needed, and removes what is half-made. `volume` is
 * borrowed and outlives the object. */
int wr_shares_open(struct wr_volume *volume, struct wr_shares **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_shares *wr_shares_free(struct wr_shares *shares);

/*
 * Makes an empty share, or finds the one of that size. It survives a power cut from here on; what
 * is written into it does when its writer has synced it. INVALID_ARGUMENT, ALREADY_EXISTS with
 * another size, RESOURCE_EXHAUSTED.
 */
int wr_share_make(struct wr_shares *shares, const char *id, uint64_t size_bytes,
                  struct wr_error *err) WR_MUST_CHECK;
/* *ret_fd (the caller's) is the directory that sandboxes see. NOT_FOUND. */
int wr_share_open(const struct wr_shares *shares, const char *id, int *ret_fd, struct wr_error *err)
    WR_MUST_CHECK;
/* Constant time whatever it holds: it is gone at once, and its space comes back in the background,
 * by wr_volume_collect() or by a process of its own. NOT_FOUND. */
int wr_share_remove(struct wr_shares *shares, const char *id, struct wr_error *err) WR_MUST_CHECK;

/* Waits (at most 10 s) for removals that are under way, which keep the volume from being unmounted.
 * Nothing may be removed afterwards. */
void wr_shares_drain(struct wr_shares *shares);

struct wr_share {
    char id[WR_SHARE_ID_LEN + 1];
    uint64_t size_bytes; /* the limit */
    uint64_t used_bytes; /* metadata of the file system included */
};

typedef void (*wr_share_fn)(const struct wr_share *share, void *data);

/* Those with ids above `after`, ascending, at most `max` (up to 1024). */
int wr_share_list(const struct wr_shares *shares, const char *after, size_t max, wr_share_fn fn,
                  void *data, bool *ret_more, struct wr_error *err) WR_MUST_CHECK;
