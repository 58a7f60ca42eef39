#include "server/egress/answered_names.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/str.h"

static size_t place_of(const struct wr_answered_names *names, const struct wr_ip *address)
{
    size_t i = 0;

    while (i < WR_ANSWERED_NAMES_MAX &&
           !(names->entries[i].name && wr_ip_equal(&names->entries[i].address, address)))
        i++;
    return i;
}

void wr_answered_names_add(struct wr_answered_names *names, const struct wr_ip *address,
                           const char *name)
{
    size_t place = place_of(names, address);

    if (place < WR_ANSWERED_NAMES_MAX && wr_streq(names->entries[place].name, name))
        return;
    char *copy = wr_strndup(name, strlen(name));
    if (!copy)
        return;
    if (place == WR_ANSWERED_NAMES_MAX)
        place = names->next++ % WR_ANSWERED_NAMES_MAX;
    free(names->entries[place].name);
    names->entries[place].name = copy;
    names->entries[place].address = *address;
}

const char *wr_answered_names_find(const struct wr_answered_names *names,
                                   const struct wr_ip *address)
{
    size_t place = place_of(names, address);

    return place < WR_ANSWERED_NAMES_MAX ? names->entries[place].name : NULL;
}

void wr_answered_names_done(struct wr_answered_names *names)
{
    for (size_t i = 0; i < WR_ANSWERED_NAMES_MAX; i++)
        free(names->entries[i].name);
    *names = (struct wr_answered_names){0};
}
