#include "server/pause_level.h"

#include "base/str.h"

static const char *const names[WR_PAUSE_LEVELS] = {
    [WR_PAUSE_NONE] = "running",
    [WR_PAUSE_FROZEN] = "frozen",
    [WR_PAUSE_PAGED] = "paged",
    [WR_PAUSE_HIBERNATED] = "hibernated",
};

const char *wr_pause_level_name(enum wr_pause_level level)
{
    return names[level];
}

bool wr_pause_level_parse(const char *name, enum wr_pause_level *ret)
{
    for (unsigned i = 0; i < WR_PAUSE_LEVELS; i++) {
        if (!wr_streq(names[i], name))
            continue;
        *ret = (enum wr_pause_level)i;
        return true;
    }
    return false;
}
