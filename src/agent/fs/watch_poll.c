#include "agent/fs/watch_poll.h"

#include "base/alloc.h"
#include "base/rand.h"
#include "base/str.h"

#define ANSWER_START "{\"events\":["
#define ANSWER_END   "]}"

struct poll_watcher {
    struct wr_list link; /* in the set's list of polled ones */
    struct wr_watcher watcher;
    char id[WR_WATCHER_ID_LEN + 1];
    struct wr_buf events; /* the answer so far */
    size_t event_count;
    enum wr_watch_type last_type;
    char *last_name; /* owned; NULL: no event since the last answer */
    size_t last_start;
    uint64_t asked_ms;       /* made, or asked for its events */
    struct wr_error failure; /* code 0: none */
};

static void forget_events(struct poll_watcher *p)
{
    wr_buf_done(&p->events);
    free(p->last_name);
    p->last_name = NULL;
    p->event_count = 0;
}

static void overflow(struct poll_watcher *p)
{
    forget_events(p);
    (void)wr_fail(&p->failure, WR_E_INTERNAL, 0,
                  "more than %d events or %zu MiB were not fetched, and were dropped; make a new "
                  "watcher and fetch more often",
                  WR_WATCH_POLL_EVENTS, (size_t)(WR_WATCH_POLL_BYTES / WR_MIB));
}

/* As the kernel does with events that nobody has read yet: the same one twice in a row is one. */
static bool repeats(const struct poll_watcher *p, enum wr_watch_type type, const char *name)
{
    return p->last_name && p->last_type == type && wr_streq(p->last_name, name);
}

static int append(struct poll_watcher *p, const char *json, size_t len)
{
    int r = wr_buf_append_str(&p->events, p->events.len == 0 ? ANSWER_START : ",");

    p->last_start = p->events.len;
    return r < 0 ? r : wr_buf_append(&p->events, json, len);
}

static void on_event(struct wr_watcher *watcher, enum wr_watch_type type, const char *name,
                     const char *json, size_t len)
{
    struct poll_watcher *p = wr_container_of(watcher, struct poll_watcher, watcher);
    int r = 0;

    if (p->failure.code != 0)
        return;
    if (repeats(p, type, name)) {
        p->events.len = p->last_start; /* its entry may be newer */
        r = wr_buf_append(&p->events, json, len);
    } else {
        free(p->last_name);
        p->last_name = wr_strdup(name);
        p->last_type = type;
        r = p->event_count++ < WR_WATCH_POLL_EVENTS ? append(p, json, len) : -1;
    }
    if (r < 0)
        overflow(p);
}

static void on_failure(struct wr_watcher *watcher, const struct wr_error *error)
{
    struct poll_watcher *p = wr_container_of(watcher, struct poll_watcher, watcher);

    forget_events(p);
    p->failure = *error;
    p->failure.code = WR_E_INTERNAL;
}

static void free_poll(struct wr_watchers *set, struct poll_watcher *p)
{
    wr_watcher_close(&p->watcher);
    wr_list_remove(&p->link);
    set->polled_count--;
    forget_events(p);
    free(p);
}

static struct poll_watcher *find(const struct wr_watchers *set, const char *id,
                                 struct wr_error *err)
{
    wr_list_foreach(it, &set->polled) {
        struct poll_watcher *p = wr_list_entry(it, struct poll_watcher, link);
        if (wr_streq(p->id, id))
            return p;
    }
    (void)wr_fail(err, WR_E_NOT_FOUND, 0, "watcher with id %.64s not found", id);
    return NULL;
}

void wr_watch_poll_make_room(struct wr_watchers *set)
{
    const uint64_t now_ms = wr_loop_now_ms(set->loop);
    struct poll_watcher *chosen = NULL;

    if (set->count < WR_WATCHERS_MAX && set->polled_count < WR_WATCHERS_MAX)
        return;
    wr_list_foreach(it, &set->polled) {
        struct poll_watcher *p = wr_list_entry(it, struct poll_watcher, link);
        if (!chosen || p->asked_ms < chosen->asked_ms)
            chosen = p;
        if (p->failure.code != 0) {
            chosen = p;
            break;
        }
    }
    if (chosen && (chosen->failure.code != 0 || now_ms - chosen->asked_ms >= WR_WATCH_POLL_MISSED))
        free_poll(set, chosen);
}

int wr_watch_poll_create(struct wr_watchers *set, const struct wr_watch_request *request,
                         char id[static WR_WATCHER_ID_LEN + 1], struct wr_error *err)
{
    static const struct wr_watcher_ops ops = {.on_event = on_event, .on_failure = on_failure};

    wr_watch_poll_make_room(set);
    /* Failed ones count here although they watch nothing: they are kept to be asked. */
    if (set->polled_count >= WR_WATCHERS_MAX)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "there are %d watchers already; remove one first", WR_WATCHERS_MAX);
    struct poll_watcher *p = wr_calloc(1, sizeof(*p));
    if (!p)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a watcher");
    wr_buf_init(&p->events, WR_WATCH_POLL_BYTES);
    int rc = wr_watcher_open(&p->watcher, set, request, &ops, err);
    if (rc < 0) {
        free(p);
        return rc;
    }
    p->asked_ms = wr_loop_now_ms(set->loop);
    p->id[0] = 'w';
    wr_random_id(p->id + 1, WR_WATCHER_ID_LEN - 1);
    memcpy(id, p->id, sizeof(p->id));
    wr_list_append(&set->polled, &p->link);
    set->polled_count++;
    return 0;
}

int wr_watch_poll_events(struct wr_watchers *set, const char *id, const struct wr_connect_out *out,
                         struct wr_error *err)
{
    struct poll_watcher *p = find(set, id, err);

    if (!p)
        return -err->code;
    p->asked_ms = wr_loop_now_ms(set->loop);
    wr_watcher_drain(&p->watcher);
    if (p->failure.code == 0 && p->events.len > 0 && wr_buf_append_str(&p->events, ANSWER_END) < 0)
        overflow(p);
    if (p->failure.code != 0) {
        *err = p->failure;
        return -err->code;
    }
    wr_connect_reply(out, wr_buf_ptr(&p->events), p->events.len);
    forget_events(p);
    return 0;
}

int wr_watch_poll_remove(struct wr_watchers *set, const char *id, struct wr_error *err)
{
    struct poll_watcher *p = find(set, id, err);

    if (!p)
        return -err->code;
    free_poll(set, p);
    return 0;
}

void wr_watch_poll_done(struct wr_watchers *set)
{
    wr_list_foreach(it, &set->polled)
        free_poll(set, wr_list_entry(it, struct poll_watcher, link));
}
