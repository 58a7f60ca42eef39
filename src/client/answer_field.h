/* Fields of an answer's head that its caller wants to know. */
#pragma once

#include <stddef.h>

#include "http/h1.h"

struct wr_answer_field {
    const char *name;
    bool there; /* it is, and not empty */
    char *out;  /* its value with NUL; "" when it is not there, or does not fit into `cap` bytes */
    size_t cap;
};

void wr_answer_fields_read(struct wr_answer_field *fields, size_t count,
                           const struct wr_h1_head *head);
