/* What the programs of this folder share: values in and out. They end when something cannot be. */
#pragma once

#include "warren/warren.h"

/* With the text of `err` on standard error. */
void die(const char *what, const struct wr_error *err) __attribute__((noreturn));
/* Sets a member of an object, or appends to an array (`key` NULL). */
void set(struct wr_value *object, const char *key, struct wr_value *member);
/* NULL for a member that is missing or empty. */
const char *text_or_null(const struct wr_value *object, const char *key);
/* The JSON document on standard input. */
struct wr_value *read_script(void);
