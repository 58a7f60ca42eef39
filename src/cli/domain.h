/* Names that sandboxes are reached under. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A host name as it stands in URLs: lower case, labels of letters, digits and '-', no trailing dot,
 * not an address. */
bool wr_domain_valid(const char *name, size_t len);
