#include "server/api/list.h"

#include <errno.h>

#include "base/alloc.h"
#include "server/api/errors.h"
#include "server/api/list_query.h"
#include "server/api/sandbox_json.h"
#include "server/server.h"
#include "server/templates.h"

#define MAX_BYTES ((size_t)64 * 1024 * 1024) /* every sandbox with the largest metadata */

struct selection {
    const struct wr_sandbox **sorted; /* owned */
    size_t count;
    size_t running; /* that match but for the state, behind the cursor or not */
};

static int compare(const void *a, const void *b, void *data)
{
    return wr_list_query_compare(data, *(const struct wr_sandbox *const *)a,
                                 *(const struct wr_sandbox *const *)b);
}

static int select_sandboxes(const struct wr_api_request *request, struct wr_list_query *query,
                            struct selection *ret, struct wr_error *err)
{
    struct wr_sandbox_table *table = request->server->sandboxes;
    size_t max = wr_sandbox_table_count(table);

    ret->sorted = wr_calloc(max + 1, sizeof *ret->sorted);
    if (!ret->sorted)
        return wr_fail(err, WR_E_UNAVAILABLE, ENOMEM, "list of sandboxes");
    wr_list_foreach(it, wr_sandbox_table_all(table)) {
        const struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        /* One that is being paused is the one or the other, never neither. */
        bool paused = wr_api_is_paused(sandbox);
        if (sandbox->state == WR_SANDBOX_KILLING || ret->count >= max ||
            !wr_principal_may_see(&request->who, sandbox->team_id) ||
            !wr_list_query_match(query, sandbox))
            continue;
        ret->running += !paused;
        if (!(paused ? query->paused : query->running))
            continue;
        if (wr_list_query_behind(query, sandbox))
            ret->sorted[ret->count++] = sandbox;
    }
    qsort_r(ret->sorted, ret->count, sizeof ret->sorted[0], compare, query);
    return 0;
}

/* Sandboxes carry their template's own name; the list of templates, which the server asks for when
 * it starts, knows its aliases. */
static void use_own_name(const struct wr_server *server, struct wr_list_query *query)
{
    const struct wr_template_entry *entry =
        *query->template_name ? wr_templates_find(server->templates, query->template_name) : NULL;

    if (entry)
        memcpy(query->template_name, entry->name, sizeof query->template_name);
}

static int write_list(const struct selection *found, size_t count, struct wr_buf *out)
{
    struct wr_jw w;

    wr_jw_init(&w, out);
    wr_jw_array(&w);
    for (size_t i = 0; i < count; i++)
        wr_api_write_listed(&w, found->sorted[i]);
    wr_jw_end(&w);
    return wr_jw_finish(&w);
}

void wr_api_sandboxes_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_list_query query = {0};
    struct selection found = {0};
    struct wr_error error = {0};

    (void)match;
    int r = wr_list_query_read_v1(ex, &query, &error);
    if (r == 0)
        r = select_sandboxes(request, &query, &found, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        wr_api_reply_json(ex, 200, &body, write_list(&found, found.count, &body));
    free(found.sorted);
    wr_list_query_done(&query);
}

static void reply_page(struct wr_exchange *ex, const struct wr_list_query *query,
                       const struct selection *found)
{
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    char cursor[WR_LIST_CURSOR_MAX], total[24];
    size_t count = WR_MIN(found->count, (size_t)query->limit);

    if (write_list(found, count, &body) < 0 ||
        !wr_strformat(total, sizeof total, "%zu", found->running)) {
        wr_exchange_abort(ex);
        return;
    }
    if (!wr_exchange_has_room(ex, body.len)) {
        wr_api_error(ex, 503, "too many large answers wait for their clients; try again later");
        return;
    }
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", "application/json");
    wr_exchange_header(ex, "X-Total-Running", total);
    /* Only when something follows: clients go on as long as it is there. */
    if (found->count > count) {
        wr_list_query_cursor(query, found->sorted[count - 1], cursor);
        wr_exchange_header(ex, "X-Next-Token", cursor);
    }
    wr_exchange_send(ex, wr_buf_ptr(&body), body.len);
}

void wr_api_sandboxes_list_v2(struct wr_exchange *ex, const struct wr_route_match *match,
                              void *data)
{
    const struct wr_api_request *request = data;
    struct wr_list_query query = {0};
    struct selection found = {0};
    struct wr_error error = {0};

    (void)match;
    int r = wr_list_query_read(ex, &request->who, &query, &error);
    if (r == 0)
        use_own_name(request->server, &query);
    if (r == 0)
        r = select_sandboxes(request, &query, &found, &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply_page(ex, &query, &found);
    free(found.sorted);
    wr_list_query_done(&query);
}
