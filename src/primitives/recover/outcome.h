/* What an execution came to, as the wrappers judge it. */
#pragma once

#include <jansson.h>

#include "warren/value.h"

#define WR_CLASSES_ALL                                                                       \
    ((unsigned)(WR_CLASS_INPUT | WR_CLASS_TIMEOUT | WR_CLASS_RATE_LIMIT | WR_CLASS_SERVICE | \
                WR_CLASS_ACCESS | WR_CLASS_CANCELED | WR_CLASS_CODE))

/* A result of code that did not succeed: an object whose `success` is false. */
bool wr_result_failed(const struct wr_value *value);
/* `r` < 0: the class of `err`. Else WR_CLASS_CODE for a failed result, and NONE for a good one. */
enum wr_error_class wr_outcome_class(int r, const struct wr_value *value,
                                     const struct wr_error *err);
/* INVALID_ARGUMENT for a bit that is no class. `what` names the option. */
int wr_classes_check(unsigned classes, const char *what, struct wr_error *err);
/* The text of an error for a log record: what was cut within a character stays readable. */
json_t *wr_error_text(const char *text);
