/* What a policy consists of, read strictly from its JSON. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/value.h"

struct wr_policy_rules {
    json_t *code;      /* owned: what the checker gets, {"imports", "calls", "attributes"} */
    json_t *languages; /* owned: an array of texts */
    uint64_t max_code_bytes;
    bool report_only;
    char *text; /* owned: all of it */
};

/* `given` NULL: the default list. INVALID_ARGUMENT names what is wrong. */
int wr_policy_rules_read(const struct wr_value *given, struct wr_policy_rules *ret,
                         struct wr_error *err) WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_policy_rules_done(struct wr_policy_rules *rules);
/* Whether there is a rule that needs the code to be read. */
bool wr_policy_rules_read_code(const struct wr_policy_rules *rules);
