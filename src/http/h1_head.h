/* What a scanned head means: framing, persistence, host. Private to http/; the scanner calls it. */
#pragma once

#include "http/h1.h"

/* Fill the derived fields of `head`. 0 or -WR_E_INVALID_ARGUMENT; `*ret_status` as with
 * wr_h1_parse_request(). */
int wr_h1_interpret_request(struct wr_h1_head *head, int *ret_status, struct wr_error *err)
    WR_MUST_CHECK;
int wr_h1_interpret_response(struct wr_h1_head *head, bool head_request, struct wr_error *err)
    WR_MUST_CHECK;
/* The authority of an http(s) URL as target; *ret_len is 0 for other forms. */
void wr_h1_target_authority(const struct wr_h1_head *head, const char **ret, size_t *ret_len);
