#include "engine/driver/fake_shares.h"

#include <errno.h>

#include "base/alloc.h"

struct fake_share {
    struct wr_list link;
    struct wr_share share;
};

static struct fake_share *find(const struct wr_list *shares, const char *id)
{
    wr_list_foreach(it, shares) {
        struct fake_share *s = wr_list_entry(it, struct fake_share, link);
        if (wr_streq(s->share.id, id))
            return s;
    }
    return NULL;
}

static int not_found(const char *id, struct wr_error *err)
{
    return wr_fail(err, WR_E_NOT_FOUND, 0, "there is no volume %.40s", id);
}

int wr_fake_share_make(struct wr_list *shares, const char *id, uint64_t size_bytes,
                       struct wr_error *err)
{
    struct wr_list *before = shares;

    if (!wr_share_id_valid(id) || size_bytes < WR_ACTION_VOLUME_BYTES_MIN ||
        size_bytes > WR_ACTION_VOLUME_BYTES_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "volume \"%.40s\" of %llu bytes", id,
                       (unsigned long long)size_bytes);
    const struct fake_share *there = find(shares, id);
    if (there)
        return there->share.size_bytes == size_bytes
                   ? 0
                   : wr_fail(err, WR_E_ALREADY_EXISTS, 0, "there is a volume %s already", id);
    struct fake_share *s = wr_calloc(1, sizeof(*s));
    if (!s)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "make a volume");
    memcpy(s->share.id, id, sizeof(s->share.id));
    s->share.size_bytes = size_bytes;
    wr_list_foreach(it, shares) {
        if (strcmp(wr_list_entry(it, struct fake_share, link)->share.id, id) > 0) {
            before = it;
            break;
        }
    }
    wr_list_append(before, &s->link); /* appending to a node puts it before that node */
    return 0;
}

int wr_fake_share_remove(struct wr_list *shares, const char *id, struct wr_error *err)
{
    struct fake_share *s = find(shares, id);

    if (!s)
        return not_found(id, err);
    wr_list_remove(&s->link);
    free(s);
    return 0;
}

void wr_fake_share_list(const struct wr_list *shares, const char *after, size_t max, wr_share_fn fn,
                        void *data, bool *ret_more)
{
    size_t count = 0;

    *ret_more = false;
    wr_list_foreach(it, shares) {
        const struct fake_share *s = wr_list_entry(it, struct fake_share, link);
        if (strcmp(s->share.id, after) <= 0)
            continue;
        *ret_more = count == max;
        if (*ret_more)
            break;
        fn(&s->share, data);
        count++;
    }
}

int wr_fake_shares_check(const struct wr_list *shares, const struct wr_spec *spec,
                         struct wr_error *err)
{
    for (size_t i = 0; i < spec->share_count; i++)
        if (!find(shares, spec->shares[i].id))
            return not_found(spec->shares[i].id, err);
    return 0;
}

void wr_fake_shares_free(struct wr_list *shares)
{
    wr_list_foreach(it, shares) {
        wr_list_remove(it);
        free(wr_list_entry(it, struct fake_share, link));
    }
}
