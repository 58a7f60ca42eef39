/* Writes down in the ledger of the state directory what `warren test` has used. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/ledger.h"

struct wr_ledger_note {
    const char *backend;
    const char *template_name; /* NULL: the server's choice */
    const char *language;
};

/* Each result of a tester's output. */
int wr_ledger_note_tests(const struct wr_ledger_note *note, const json_t *output,
                         struct wr_error *err) WR_MUST_CHECK;
