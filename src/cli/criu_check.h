/* Whether sandboxes can be saved to the disk here: for `warren criu check` and `warren doctor`. */
#pragma once

#include <stdbool.h>

#include "cli/conf.h"
#include "engine/snapshot/criu_find.h"

struct wr_criu_check {
    struct wr_criu criu; /* path is "" when there is none that can be used */
    bool tested;         /* root only */
    bool works;          /* it was tested, with success */
    struct wr_error why; /* without a usable one, or when the test failed */
};

/* Where the setting `criu` points to, as the server sees it: environment, then file. NULL: it looks
 * for one. Borrowed. */
const char *wr_criu_setting(const struct wr_conf *conf);
/* Takes some 30 ms. */
void wr_criu_check(const char *setting, struct wr_criu_check *ret);
