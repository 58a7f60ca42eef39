#include "cli/primitive_opts.h"

const char *wr_primitive_given(const struct wr_opt_set *set, size_t base)
{
    for (size_t i = 0; i < set->count; i++) {
        size_t offset = set->opts[i].offset;
        if (set->texts[i] && offset >= base && offset < base + sizeof(struct wr_primitive_values))
            return set->opts[i].name;
    }
    return NULL;
}
