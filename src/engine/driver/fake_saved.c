#include "engine/driver/fake_saved.h"

#include <errno.h>

#include "base/alloc.h"

static void drop(struct wr_fake_saved *s)
{
    wr_list_remove(&s->link);
    wr_spec_done(&s->spec);
    free(s);
}

static struct wr_fake_saved *find(const struct wr_list *list, const char *id)
{
    wr_list_foreach(it, list) {
        struct wr_fake_saved *s = wr_list_entry(it, struct wr_fake_saved, link);
        if (wr_streq(s->saved.id, id))
            return s;
    }
    return NULL;
}

int wr_fake_saved_put(struct wr_list *list, const struct wr_saved *saved, bool hibernated,
                      struct wr_error *err)
{
    struct wr_fake_saved *s = wr_calloc(1, sizeof(*s)), *earlier = find(list, saved->id);
    struct wr_list *before = list;

    if (!s)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "save a sandbox");
    wr_spec_copy(saved->spec, &s->spec);
    s->saved = *saved;
    s->saved.spec = &s->spec;
    s->hibernated = hibernated;
    if (earlier)
        drop(earlier);
    wr_list_foreach(it, list) {
        if (strcmp(wr_list_entry(it, struct wr_fake_saved, link)->saved.id, saved->id) > 0) {
            before = it;
            break;
        }
    }
    wr_list_append(before, &s->link); /* appending to a node puts it before that node */
    return 0;
}

const struct wr_fake_saved *wr_fake_saved_find(const struct wr_list *list, const char *id,
                                               bool hibernated)
{
    const struct wr_fake_saved *s = find(list, id);

    return s && s->hibernated == hibernated ? s : NULL;
}

int wr_fake_saved_remove(struct wr_list *list, const char *id, struct wr_error *err)
{
    struct wr_fake_saved *s = find(list, id);

    if (!s)
        return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no snapshot %.40s", id);
    drop(s);
    return 0;
}

void wr_fake_saved_list(const struct wr_list *list, const char *after, size_t max,
                        void (*fn)(const struct wr_saved *saved, void *data), void *data,
                        bool *ret_more)
{
    size_t count = 0;

    *ret_more = false;
    wr_list_foreach(it, list) {
        const struct wr_fake_saved *s = wr_list_entry(it, struct wr_fake_saved, link);
        if (s->hibernated || strcmp(s->saved.id, after) <= 0)
            continue;
        *ret_more = count == max;
        if (*ret_more)
            break;
        fn(&s->saved, data);
        count++;
    }
}

void wr_fake_saved_free(struct wr_list *list)
{
    wr_list_foreach(it, list)
        drop(wr_list_entry(it, struct wr_fake_saved, link));
}
