#include "server/engine_client.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/fd.h"
#include "json/jread.h"
#include "log/log.h"
#include "sys/message.h"

struct pending {
    struct wr_list link;
    struct wr_list out_link; /* linked while the message waits for room in the socket */
    struct wr_engine_client *client;
    uint32_t sequence;
    enum wr_action action;
    wr_engine_fn fn;
    void *data;
    struct wr_timer timeout;
    char *message; /* owned; NULL once sent */
    size_t message_len;
};

struct wr_engine_client {
    struct wr_loop *loop;
    struct wr_source source;
    int fd; /* owned; -1 when lost */
    const struct wr_engine_events *events;
    void *data;
    struct wr_list pending; /* oldest first */
    struct wr_list out;
    size_t pending_count;
    uint32_t next_sequence;
    char in[WR_ACTION_MAX];
};

static const uint32_t timeouts_ms[] = {
    [WR_ACTION_CREATE] = WR_ENGINE_CREATE_TIMEOUT_MS,
    [WR_ACTION_KILL] = WR_ENGINE_SAVED_TIMEOUT_MS,
    [WR_ACTION_PAUSE] = WR_ENGINE_SAVED_TIMEOUT_MS,
    [WR_ACTION_RESUME] = WR_ENGINE_SAVED_TIMEOUT_MS,
    [WR_ACTION_SNAPSHOT] = WR_ENGINE_SAVED_TIMEOUT_MS,
    [WR_ACTION_ROLLBACK] = WR_ENGINE_SAVED_TIMEOUT_MS,
};

static uint64_t timeout_of(const struct wr_engine_request *request)
{
    if (request->timeout_ms)
        return request->timeout_ms;
    const uint64_t of_action =
        (size_t)request->action < WR_ARRAY_SIZE(timeouts_ms) ? timeouts_ms[request->action] : 0;
    return of_action ? of_action : WR_ENGINE_CALL_TIMEOUT_MS;
}

static struct pending *pending_free(struct pending *p)
{
    wr_timer_stop(&p->timeout);
    wr_list_remove(&p->link);
    wr_list_remove(&p->out_link);
    p->client->pending_count--;
    free(p->message);
    free(p);
    return NULL;
}

static void pending_fail(struct pending *p, const struct wr_error *error)
{
    wr_engine_fn fn = p->fn;
    void *data = p->data;

    pending_free(p);
    fn(NULL, error, data);
}

/* A callback may queue new requests; they are behind the ones that exist now, and `count` bounds
 * the loop. */
static void fail_all(struct wr_engine_client *client, const struct wr_error *error)
{
    for (size_t count = client->pending_count; count > 0 && !wr_list_empty(&client->pending);
         count--)
        pending_fail(wr_list_entry(client->pending.next, struct pending, link), error);
}

static void lose(struct wr_engine_client *client, const struct wr_error *error)
{
    if (client->fd < 0)
        return;
    wr_source_remove(&client->source);
    client->fd = wr_close(client->fd);
    fail_all(client, error);
    client->events->on_lost(error, client->data);
}

static void on_timeout(struct wr_timer *timer, void *data)
{
    struct pending *p = data;
    struct wr_error error = {0};

    (void)timer;
    (void)wr_fail(&error, WR_E_DEADLINE_EXCEEDED, 0,
                  "the engine did not answer in time; see its log");
    pending_fail(p, &error);
}

static void flush_out(struct wr_engine_client *client)
{
    while (!wr_list_empty(&client->out)) {
        struct pending *p = wr_list_entry(client->out.next, struct pending, out_link);
        int r = wr_message_send(client->fd, p->message, p->message_len, NULL, 0);

        if (r == -EAGAIN) {
            wr_source_set_events(&client->source, EPOLLIN | EPOLLOUT);
            return;
        }
        if (r < 0) {
            struct wr_error error = {0};
            (void)wr_fail(&error, WR_E_UNAVAILABLE, -r, "write to the engine");
            lose(client, &error);
            return;
        }
        wr_list_remove(&p->out_link);
        free(wr_steal_ptr(&p->message));
    }
    wr_source_set_events(&client->source, EPOLLIN);
}

static struct pending *find_pending(struct wr_engine_client *client, uint32_t sequence)
{
    wr_list_foreach(it, &client->pending) {
        struct pending *p = wr_list_entry(it, struct pending, link);
        if (p->sequence == sequence)
            return p;
    }
    return NULL;
}

/* The error object of a reply: {"code", "message"}; whatever it holds becomes a valid struct
 * wr_error. What the engine has too little of, the host has: limits of teams it does not know. */
static void read_error(const json_t *json, struct wr_error *error)
{
    int64_t code = 0;
    const char *message = NULL;
    struct wr_error ignored = {0};
    const struct wr_json_field fields[] = {
        {.name = "code", .kind = WR_JSON_I64, .ret = &code, .min = 1, .max = WR_E_MAX_ - 1},
        {.name = "message", .kind = WR_JSON_STRING, .ret = &message},
    };

    if (wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &ignored) < 0 ||
        code == 0 || !message)
        (void)wr_fail(error, WR_E_INTERNAL, 0, "the engine failed without saying why");
    else
        (void)wr_fail(error, (enum wr_code)code, 0, "%s", message);
    if (error->code == WR_E_RESOURCE_EXHAUSTED)
        error->os_errno = ENOSPC;
}

static void handle_event(struct wr_engine_client *client, unsigned kind, const json_t *json)
{
    struct wr_error error = {0};
    const char *id = NULL, *reason = "unknown";
    const struct wr_json_field fields[] = {
        {.name = "id", .kind = WR_JSON_STRING, .required = true, .ret = &id, .max = WR_ID_LEN},
        {.name = "reason", .kind = WR_JSON_STRING, .ret = &reason, .max = 31},
    };

    switch (kind) {
    case WR_EVENT_READY:
        (void)wr_fail(&error, WR_E_UNAVAILABLE, 0,
                      "the engine was restarted before it answered; try again");
        fail_all(client, &error);
        client->events->on_ready(client->data);
        return;
    case WR_EVENT_GONE:
        if (wr_json_read(json, fields, WR_ARRAY_SIZE(fields), WR_JSON_IGNORE_UNKNOWN, &error) < 0 ||
            !wr_id_valid(id)) {
            wr_log(WR_LOG_WARN, "the engine sent a bad event", "error", error.msg, NULL);
            return;
        }
        client->events->on_gone(id, reason, client->data);
        return;
    default:
        wr_log(WR_LOG_WARN, "the engine sent an unknown event", NULL);
    }
}

static void handle_reply(struct wr_engine_client *client, const struct wr_action_header *header,
                         const struct wr_engine_reply *reply)
{
    struct pending *p = find_pending(client, header->sequence);
    struct wr_error error = {0};

    if (!p || header->kind != ((unsigned)p->action | WR_ACTION_REPLY)) {
        /* The answer of a request that timed out: its descriptors are closed by the caller. */
        const char *id = json_string_value(json_object_get(reply->json, "id"));
        wr_log(WR_LOG_DEBUG, "late reply of the engine", NULL);
        if (!p && header->kind == (WR_ACTION_CREATE | WR_ACTION_REPLY) &&
            !(header->flags & WR_ACTION_FLAG_ERROR) && id && wr_id_valid(id))
            client->events->on_orphan(id, client->data);
        return;
    }
    if (header->flags & WR_ACTION_FLAG_ERROR) {
        read_error(reply->json, &error);
        pending_fail(p, &error);
        return;
    }
    wr_engine_fn fn = p->fn;
    void *data = p->data;
    pending_free(p);
    fn(reply, NULL, data);
}

/* 0, or -WR_E_* when the peer does not speak the protocol. */
static int handle_message(struct wr_engine_client *client, size_t len, int *fds, size_t fd_count,
                          struct wr_error *err)
{
    struct wr_action_header header;
    wr_auto_json *json = NULL;

    if (len < sizeof header)
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine sent a short message");
    memcpy(&header, client->in, sizeof header);
    if (header.magic != WR_ACTION_MAGIC || header.version != WR_ACTION_VERSION ||
        header.length != len - sizeof header)
        return wr_fail(err, WR_E_INTERNAL, 0,
                       "the engine speaks another protocol version; restart the server");
    int r = wr_json_parse(client->in + sizeof header, header.length, &json, err);
    if (r < 0)
        return wr_wrap(err, "message of the engine");
    if (header.kind & WR_ACTION_EVENT) {
        handle_event(client, header.kind & ~(unsigned)WR_ACTION_EVENT, json);
        return 0;
    }
    if (!(header.kind & WR_ACTION_REPLY))
        return wr_fail(err, WR_E_INTERNAL, 0, "the engine sent a request");
    handle_reply(client, &header, &(struct wr_engine_reply){json, fds, fd_count});
    return 0;
}

static void on_readable(struct wr_engine_client *client)
{
    /* Bounded per round, so that a chatty engine cannot starve the HTTP side. */
    for (int round = 0; round < 32 && client->fd >= 0; round++) {
        struct wr_error error = {0};
        int fds[WR_MESSAGE_MAX_FDS];
        size_t fd_count = 0;
        ssize_t n = wr_message_recv(client->fd, client->in, sizeof client->in, fds, &fd_count);

        if (n == -EAGAIN || n == -EINTR)
            return;
        if (n == 0) {
            (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the engine has ended; see its log");
            lose(client, &error);
            return;
        }
        if (n == -EMSGSIZE)
            continue;
        if (n < 0) {
            (void)wr_fail(&error, WR_E_UNAVAILABLE, (int)-n, "read from the engine");
            lose(client, &error);
            return;
        }
        int r = handle_message(client, (size_t)n, fds, fd_count, &error);
        for (size_t i = 0; i < fd_count; i++)
            wr_close(fds[i]);
        if (r < 0)
            lose(client, &error);
    }
}

static void on_socket(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_engine_client *client = data;

    (void)source;
    if (events & EPOLLOUT)
        flush_out(client);
    if (client->fd >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        on_readable(client);
}

int wr_engine_client_new(struct wr_loop *loop, int fd, const struct wr_engine_events *events,
                         void *data, struct wr_engine_client **ret, struct wr_error *err)
{
    wr_auto_close int owned = fd;
    wr_auto_free struct wr_engine_client *client = wr_calloc(1, sizeof *client);

    if (!client)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "engine client");
    int r = wr_fd_set_nonblock(owned, true);
    if (r < 0)
        return wr_fail(err, WR_E_INTERNAL, -r, "engine socket");
    client->loop = loop;
    client->events = events;
    client->data = data;
    client->next_sequence = 1;
    wr_list_init(&client->pending);
    wr_list_init(&client->out);
    r = wr_source_add(loop, &client->source, owned, EPOLLIN, on_socket, client, err);
    if (r < 0)
        return r;
    client->fd = wr_steal_fd(&owned);
    *ret = wr_steal_ptr(&client);
    return 0;
}

struct wr_engine_client *wr_engine_client_free(struct wr_engine_client *client)
{
    struct wr_error error = {0};

    if (!client)
        return NULL;
    (void)wr_fail(&error, WR_E_UNAVAILABLE, 0, "the server is ending");
    wr_source_remove(&client->source);
    client->fd = wr_close(client->fd);
    fail_all(client, &error);
    free(client);
    return NULL;
}

int wr_engine_call(struct wr_engine_client *client, const struct wr_engine_request *request,
                   wr_engine_fn fn, void *data, struct wr_error *err)
{
    struct wr_action_header header = {
        .magic = WR_ACTION_MAGIC,
        .version = WR_ACTION_VERSION,
        .kind = (uint16_t)request->action,
        .sequence = client->next_sequence,
        .length = (uint32_t)request->len,
    };

    if (client->fd < 0)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the engine has ended");
    if (client->pending_count >= WR_ENGINE_MAX_PENDING)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "%d requests wait for the engine already; try again later",
                       WR_ENGINE_MAX_PENDING);
    if (request->len > WR_ACTION_MAX - sizeof header)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "the request is larger than %d bytes",
                       WR_ACTION_MAX);

    struct pending *p = wr_calloc(1, sizeof *p);
    char *message = wr_calloc(1, sizeof header + request->len);
    if (!p || !message) {
        free(p);
        free(message);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "engine request");
    }
    memcpy(message, &header, sizeof header);
    memcpy(message + sizeof header, request->json, request->len);
    *p = (struct pending){
        .client = client,
        .sequence = header.sequence,
        .action = request->action,
        .fn = fn,
        .data = data,
        .message = message,
        .message_len = sizeof header + request->len,
    };
    client->pending_count++;
    wr_list_append(&client->pending, &p->link);
    int r = wr_timer_start(client->loop, &p->timeout, timeout_of(request), on_timeout, p, err);
    if (r < 0) {
        pending_free(p);
        return r;
    }
    /* Sequence 0 belongs to events. */
    client->next_sequence = client->next_sequence == UINT32_MAX ? 1 : client->next_sequence + 1;

    bool waiting = !wr_list_empty(&client->out);
    int sent = waiting ? -EAGAIN : wr_message_send(client->fd, message, p->message_len, NULL, 0);
    if (sent == 0) {
        free(wr_steal_ptr(&p->message));
        return 0;
    }
    /* A full socket, or an error that the next write in the loop reports: no callback from in here.
     */
    wr_list_append(&client->out, &p->out_link);
    wr_source_set_events(&client->source, EPOLLIN | EPOLLOUT);
    return 0;
}

size_t wr_engine_pending(const struct wr_engine_client *client)
{
    return client->pending_count;
}
