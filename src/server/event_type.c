#include "server/event_type.h"

#include "base/str.h"

/* Bits are in the store: the order never changes. */
static const struct {
    const char *name, *label;
} types[WR_EVENT_TYPES] = {
    {WR_EVENT_TYPE_PREFIX "created", "create"}, {WR_EVENT_TYPE_PREFIX "killed", "kill"},
    {WR_EVENT_TYPE_PREFIX "paused", "pause"},   {WR_EVENT_TYPE_PREFIX "resumed", "resume"},
    {WR_EVENT_TYPE_PREFIX "updated", "update"}, {WR_EVENT_TYPE_PREFIX "checkpointed", "checkpoint"},
};

const char *wr_event_type_name(size_t i)
{
    return types[i].name;
}

const char *wr_event_type_label(const char *type)
{
    for (size_t i = 0; i < WR_EVENT_TYPES; i++)
        if (wr_streq(types[i].name, type))
            return types[i].label;
    return "";
}

wr_event_set wr_event_type_bit(const char *type)
{
    for (size_t i = 0; i < WR_EVENT_TYPES; i++)
        if (wr_streq(types[i].name, type))
            return (wr_event_set)1 << i;
    return 0;
}
