/* gzip (RFC 1952), as a stream in both directions. Memory does not depend on what goes through:
 * about 110 KiB for reading, 330 KiB for writing. */
#pragma once

#include <stdbool.h>

#include "base/error.h"

struct wr_gunzip;
struct wr_gzip;

/* Takes plain bytes; a negative answer (-WR_E_*) ends the call that they come from. */
typedef int (*wr_gunzip_sink)(const char *bytes, size_t len, void *data, struct wr_error *err);

/* `sink` gets what is unpacked. WR_E_INTERNAL without memory. */
int wr_gunzip_new(wr_gunzip_sink sink, void *data, struct wr_gunzip **ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Unpacks the next bytes, one member after the other. WR_E_INVALID_ARGUMENT for what is no gzip,
 * and for anything behind its end. */
int wr_gunzip_feed(struct wr_gunzip *g, const char *bytes, size_t len, struct wr_error *err)
    WR_MUST_CHECK;
/* WR_E_INVALID_ARGUMENT when the end did not come. */
int wr_gunzip_finish(const struct wr_gunzip *g, struct wr_error *err) WR_MUST_CHECK;
/* Accepts NULL, returns NULL. */
struct wr_gunzip *wr_gunzip_free(struct wr_gunzip *g);

/* Takes packed bytes. */
typedef void (*wr_gzip_sink)(const char *bytes, size_t len, void *data);

/* NULL without memory. */
struct wr_gzip *wr_gzip_new(wr_gzip_sink sink, void *data) WR_MUST_CHECK;
/* Packs `len` bytes; `last` ends the stream. The sink gets at most about as much as went in,
 * besides what earlier calls left. */
void wr_gzip_feed(struct wr_gzip *g, const char *bytes, size_t len, bool last);
/* Accepts NULL, returns NULL. */
struct wr_gzip *wr_gzip_free(struct wr_gzip *g);
