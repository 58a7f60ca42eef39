/*
 * What could not be removed at once, because something on its way out still uses it: kits whose
 * control group has a last process, retired nests, parts of the volume. Tried again every 20 ms
 * until nothing is left.
 */
#pragma once

#include "base/error.h"

struct wr_driver;
struct wr_kit;

/* Releases a kit now (NULL: nothing) or keeps it for later. */
void wr_leftovers_add(struct wr_driver *driver, struct wr_kit *kit);
/* For a new sandbox of that id: waits a moment (20 ms) for what is left of an old one. UNAVAILABLE.
 */
int wr_leftovers_settle(struct wr_driver *driver, const char *id, struct wr_error *err)
    WR_MUST_CHECK;
/* One attempt for every kit that was kept. */
void wr_leftovers_try(struct wr_driver *driver);
/* Goes on in the background while there is anything to remove. */
void wr_leftovers_collect(struct wr_driver *driver);
