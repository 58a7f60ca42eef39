#include "server/egress/domain_set.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"

#define MAX_LABEL 63
#define LETTERS   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS    "0123456789"

bool wr_domain_is_name(const char *name)
{
    size_t total = strlen(name);
    const char *label = name;

    if (total == 0 || total > WR_DOMAIN_MAX)
        return false;
    for (;;) {
        size_t len = strcspn(label, ".");
        if (len == 0 || len > MAX_LABEL || label[0] == '-' || label[len - 1] == '-' ||
            strspn(label, LETTERS DIGITS "-_") < len)
            return false;
        if (!label[len])
            return strpbrk(label, LETTERS) != NULL;
        label += len + 1;
    }
}

bool wr_domain_is_pattern(const char *pattern)
{
    return wr_streq(pattern, "*") ||
           wr_domain_is_name(wr_starts_with(pattern, "*.") ? pattern + 2 : pattern);
}

bool wr_domain_normalize(const char *name, char out[static WR_DOMAIN_MAX + 1])
{
    size_t len = strlen(name);

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > WR_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
    out[len] = '\0';
    return true;
}

void wr_domain_set_done(struct wr_domain_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->entries[i].name);
    free(set->entries);
    *set = (struct wr_domain_set){0};
}

int wr_domain_set_add(struct wr_domain_set *set, const char *pattern, size_t index)
{
    bool below = pattern[0] == '*';
    char name[WR_DOMAIN_MAX + 1] = "";

    if (set->count == set->cap) {
        size_t cap = WR_MAX(set->cap * 2, (size_t)8);
        struct wr_domain_entry *grown = wr_calloc(cap, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        if (set->count > 0)
            memcpy(grown, set->entries, set->count * sizeof *grown);
        free(set->entries);
        set->entries = grown;
        set->cap = cap;
    }
    /* "*" becomes the empty name, of which every name is a part below. */
    if (!wr_streq(pattern, "*") && !wr_domain_normalize(pattern + (below ? 2 : 0), name))
        return -EINVAL;
    struct wr_domain_entry entry = {.name = wr_strdup(name), .below = below, .index = index};
    if (!entry.name)
        return -ENOMEM;
    set->entries[set->count++] = entry;
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct wr_domain_entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (int)x->below - (int)y->below;
}

void wr_domain_set_sort(struct wr_domain_set *set)
{
    if (set->count > 1)
        qsort(set->entries, set->count, sizeof *set->entries, compare);
}

static const struct wr_domain_entry *search(const struct wr_domain_set *set, const char *name,
                                            bool below)
{
    /* Of entries, only the comparison's side uses it; nothing is written through it. */
    const struct wr_domain_entry key = {.name = (char *)(uintptr_t)name, .below = below};

    return bsearch(&key, set->entries, set->count, sizeof *set->entries, compare);
}

const struct wr_domain_entry *wr_domain_set_find(const struct wr_domain_set *set, const char *name)
{
    if (set->count == 0)
        return NULL;
    const struct wr_domain_entry *found = search(set, name, false);
    for (const char *dot = strchr(name, '.'); !found && dot; dot = strchr(dot + 1, '.'))
        found = search(set, dot + 1, true);
    return found ? found : search(set, "", true);
}
