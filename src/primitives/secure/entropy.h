/* How random a word looks. */
#pragma once

#include <stddef.h>

/* Shannon entropy of the bytes, in bits per byte: 0 to 8. 0 for no bytes. */
double wr_entropy(const void *bytes, size_t len);
