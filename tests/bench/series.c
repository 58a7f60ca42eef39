#include "series.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/str.h"

void wr_series_set_done(struct wr_series_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        free(set->series[i].values_us);
    set->count = 0;
}

static struct wr_series *find_or_make(struct wr_series_set *set, const char *name)
{
    for (size_t i = 0; i < set->count; i++)
        if (wr_streq(set->series[i].name, name))
            return &set->series[i];
    if (set->count == WR_SERIES_MAX)
        return NULL;
    struct wr_series *s = &set->series[set->count];
    if (!wr_strcopy(s->name, sizeof(s->name), name))
        return NULL;
    set->count++;
    return s;
}

int wr_series_add(struct wr_series_set *set, const char *name, uint64_t value_us,
                  struct wr_error *err)
{
    if (set->paused)
        return 0;
    struct wr_series *s = find_or_make(set, name);
    if (!s || s->count == WR_SERIES_VALUE_MAX)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "too many measurements of %s", name);
    if (s->count == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        uint32_t *grown = realloc(s->values_us, cap * sizeof(*grown));
        if (!grown)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "keep a measurement");
        s->values_us = grown;
        s->cap = cap;
    }
    s->values_us[s->count++] = value_us > UINT32_MAX ? UINT32_MAX : (uint32_t)value_us;
    return 0;
}

void wr_series_write(const struct wr_series_set *set, struct wr_jw *w)
{
    wr_jw_object(w);
    for (size_t i = 0; i < set->count; i++) {
        wr_jw_key(w, set->series[i].name);
        wr_jw_array(w);
        for (size_t k = 0; k < set->series[i].count; k++)
            wr_jw_u64(w, set->series[i].values_us[k]);
        wr_jw_end(w);
    }
    wr_jw_end(w);
}
