#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/str.h"
#include "json/value.h"
#include "primitives/sessions/owner.h"
#include "primitives/sessions/sessions.h"

#define FILTER_MAX 64

static bool is_abandoned(const struct wr_session_row *row)
{
    if (row->state != WR_SESSION_CREATING)
        return false;
    enum wr_owner_state owner = wr_owner_look(row->owner);
    return owner == WR_OWNER_GONE ||
           (owner == WR_OWNER_UNKNOWN && (int64_t)wr_wall_ms() > row->lease_end_ms);
}

static int remove_abandoned(struct wr_sessions *sessions, struct wr_error *err)
{
    wr_auto_free struct wr_session_row *rows = NULL;
    size_t count = 0;

    int r = wr_session_store_list(sessions->store, &rows, &count, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        if (is_abandoned(&rows[i]))
            r = wr_session_store_remove(sessions->store, rows[i].tag, err);
    return r;
}

static int list_by(struct wr_sessions *sessions, const char *key, const char *value,
                   const struct wr_wait *wait, struct wr_value **ret, struct wr_error *err)
{
    char filter[FILTER_MAX];
    const char *filters[] = {filter};

    if (!wr_strformat(filter, sizeof filter, "%s=%s", key, value))
        return wr_fail(err, WR_E_INTERNAL, 0, "the metadata of sessions");
    return wr_sandbox_list(sessions->client, filters, 1, wait, ret, err);
}

/* A sandbox has its row from before it is made until after it was killed: so of those that the
 * server knows, the ones without a row now belong to nobody. */
int wr_sessions_reconcile(struct wr_sessions *sessions, const struct wr_wait *wait,
                          struct wr_error *err)
{
    wr_auto_value *list = NULL;

    int r = remove_abandoned(sessions, err);
    if (r == 0)
        r = list_by(sessions, WR_SESSION_STORE_KEY, wr_session_store_id(sessions->store), wait,
                    &list, err);
    for (size_t i = 0; r == 0 && i < wr_value_count(list); i++) {
        const struct wr_value *one = wr_value_at(list, i);
        const char *tag = wr_value_string(wr_value_get(one, "metadata"), WR_SESSION_TAG_KEY);
        bool known = false;
        r = wr_session_store_has(sessions->store, tag, &known, err);
        if (r == 0 && !known)
            r = wr_sandbox_kill_id(sessions->client, wr_value_string(one, "sandboxID"), wait, err);
    }
    return r;
}

void wr_sessions_reconcile_once(struct wr_sessions *sessions, const struct wr_wait *wait)
{
    struct wr_error err = {0};

    (void)pthread_mutex_lock(&sessions->lock);
    if (!sessions->reconciled)
        sessions->reconciled = wr_sessions_reconcile(sessions, wait, &err) == 0;
    (void)pthread_mutex_unlock(&sessions->lock);
}

int wr_sessions_kill_tag(struct wr_sessions *sessions, const char *tag, const struct wr_wait *wait,
                         struct wr_error *err)
{
    wr_auto_value *list = NULL;

    int r = list_by(sessions, WR_SESSION_TAG_KEY, tag, wait, &list, err);
    for (size_t i = 0; r == 0 && i < wr_value_count(list); i++)
        r = wr_sandbox_kill_id(sessions->client, wr_value_string(wr_value_at(list, i), "sandboxID"),
                               wait, err);
    return r;
}
