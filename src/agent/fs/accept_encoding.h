/* Which form of a file a client wants (RFC 9110 12.5.3): as it is, or packed with gzip. */
#pragma once

#include "http/h1.h"

enum wr_encoding {
    WR_ENCODING_IDENTITY = 0,
    WR_ENCODING_GZIP = 1,
    WR_ENCODING_NONE = 2, /* it refuses whatever we have: 406 */
};

/* The best of those that the client accepts: the highest weight, then the first named. "*" means
 * as it is, unless that is refused. `plain_only`: only as it is will do. */
enum wr_encoding wr_accept_encoding(const struct wr_h1_head *head, bool plain_only) WR_MUST_CHECK;
