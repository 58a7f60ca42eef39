/* How many columns of a terminal a text takes. */
#pragma once

#include "base/base.h"

/* Characters are UTF-8 from here on, whatever the environment says (numbers keep their form). */
void wr_text_locale(void);
/* Columns of one line of valid UTF-8; characters without a width count as one. */
size_t wr_text_width(const char *text, size_t len);
/* Bytes of the longest front of the text that takes at most `columns`. */
size_t wr_text_fit(const char *text, size_t len, size_t columns);
