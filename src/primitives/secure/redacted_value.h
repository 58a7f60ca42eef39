/* Every text in a value, redacted. */
#pragma once

#include <jansson.h>

#include "primitives/secure/redactor.h"

struct wr_redacted_sum {
    size_t places;  /* that were replaced */
    size_t limited; /* of them because a pattern reached a limit */
    uint64_t bytes; /* of text that are gone */
};

/* A copy of `value` in which all texts are redacted, those in arrays and objects and the names of
 * members too, but not the formats that are base64 (png, jpeg, pdf). Adds to *sum. */
int wr_redacted_value(const struct wr_redactor *redactor, const json_t *value, json_t **ret,
                      struct wr_redacted_sum *sum, struct wr_error *err) WR_MUST_CHECK;
/* One text; *ret is a JSON string. */
int wr_redacted_text(const struct wr_redactor *redactor, const char *text, size_t len, json_t **ret,
                     struct wr_redacted_sum *sum, struct wr_error *err) WR_MUST_CHECK;
