/* Numbers as text for machines. */
#pragma once

#include "base/base.h"

#define WR_DOUBLE_TEXT 32 /* bytes, its NUL included */

/* The shortest text that is read as the same number again, with a point whatever the program's
 * locale is; "NaN", "+Inf", "-Inf". */
void wr_format_double(double value, char out[static WR_DOUBLE_TEXT]);
