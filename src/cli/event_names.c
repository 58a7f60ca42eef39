#include "cli/event_names.h"

#include "base/str.h"

#define PREFIX "sandbox.lifecycle."

static const char *const kinds[WR_EVENT_NAMES] = {"created", "paused",       "resumed",
                                                  "updated", "checkpointed", "killed"};

/* The kind's place, or WR_EVENT_NAMES. */
static size_t find(const char *name)
{
    const char *kind = wr_starts_with(name, PREFIX) ? name + sizeof PREFIX - 1 : name;
    size_t i = 0;

    while (i < WR_EVENT_NAMES && !wr_streq(kinds[i], kind))
        i++;
    return i;
}

int wr_event_names_read(const struct wr_opt_list *given, struct wr_event_names *ret,
                        struct wr_error *err)
{
    bool wanted[WR_EVENT_NAMES] = {false};

    for (size_t i = 0; i < given->count; i++) {
        size_t kind = find(given->items[i]);
        if (kind == WR_EVENT_NAMES)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "there is no event type \"%.60s\"; there are created, paused, resumed, "
                           "updated, checkpointed and killed",
                           given->items[i]);
        wanted[kind] = true;
    }
    ret->count = 0;
    for (size_t i = 0; i < WR_EVENT_NAMES; i++) {
        char *text = ret->texts[ret->count];
        if ((given->count > 0 && !wanted[i]) ||
            !wr_strformat(text, WR_EVENT_NAME_MAX, PREFIX "%s", kinds[i]))
            continue;
        ret->items[ret->count++] = text;
    }
    return 0;
}
