#include "cli/ledger_note.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/str.h"

static int code_of(const char *outcome)
{
    static const struct {
        const char *outcome;
        enum wr_code code;
    } codes[] = {{"timeout", WR_E_DEADLINE_EXCEEDED}, {"infrastructure_error", WR_E_UNAVAILABLE}};

    for (size_t i = 0; outcome && i < WR_ARRAY_SIZE(codes); i++)
        if (wr_streq(outcome, codes[i].outcome))
            return (int)codes[i].code;
    return WR_OK;
}

/* What a sandbox took to be made is not told by a tester. */
static int add(struct wr_ledger *ledger, const struct wr_ledger_note *note, const json_t *result,
               struct wr_error *err)
{
    const char *outcome = json_string_value(json_object_get(result, "outcome"));
    double run_ms = json_number_value(json_object_get(result, "duration_ms"));
    const struct wr_ledger_entry entry = {
        .struct_size = sizeof entry,
        .time_ms = (int64_t)wr_wall_ms(),
        .create_ms = -1,
        .run_ms = run_ms,
        .held_ms = run_ms,
        .error_code = code_of(outcome),
        .code_succeeded = outcome && wr_streq(outcome, "passed"),
        .backend = note->backend,
        .template_name = note->template_name ? note->template_name : "",
        .language = note->language,
    };

    return wr_ledger_add(ledger, &entry, err);
}

int wr_ledger_note_tests(const struct wr_ledger_note *note, const json_t *output,
                         struct wr_error *err)
{
    const json_t *results = json_object_get(output, "results"), *one;
    bool project = json_object_get(output, "exit_code") != NULL;
    struct wr_ledger *ledger = wr_ledger_open(NULL, err);
    size_t i;
    int r = 0;

    if (!ledger)
        return -err->code;
    if (project)
        r = add(ledger, note, output, err); /* all its tests share one sandbox */
    json_array_foreach(results, i, one)
        if (r == 0 && !project)
            r = add(ledger, note, one, err);
    wr_ledger_free(ledger);
    return r;
}
