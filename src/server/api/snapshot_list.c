#include "server/api/snapshot_list.h"

#include <errno.h>

#include "base/encode.h"
#include "base/parse.h"
#include "server/api/errors.h"
#include "server/api/snapshot_json.h"
#include "server/request.h"
#include "server/server.h"
#include "server/template_ref.h"

#define LIMIT_MAX  100
#define CURSOR_MAX 96
#define MAX_BYTES  ((size_t)1024 * 1024)

struct selection {
    struct wr_store_snapshot_query query;
    struct wr_template_ref ref;
    char sandbox_id[WR_ID_LEN + 1];
    char cursor_id[WR_ID_LEN + 1];
    bool newest_only; /* a name without a tag */
    bool nothing;     /* none can match */
    /* Of what is shown: */
    struct wr_jw w;
    size_t shown, max;
    bool more;
    uint64_t last_ms;
    char last_id[WR_ID_LEN + 1];
};

/* ---- cursor: "<created_ms>_<id>" in base64 ---- */

static bool write_cursor(const struct selection *s, char out[static CURSOR_MAX + 1])
{
    char text[64];

    if (!wr_strformat(text, sizeof text, "%llu_%s", (unsigned long long)s->last_ms, s->last_id))
        return false;
    out[wr_base64_encode(text, strlen(text), out)] = '\0';
    return true;
}

static int read_cursor(const char *text, struct selection *s, struct wr_error *err)
{
    char plain[CURSOR_MAX + 4] = "";
    size_t len = strlen(text);
    ssize_t n = len <= CURSOR_MAX ? wr_base64_decode(text, len, plain) : -EINVAL;
    char *id = n > 0 ? strchr(plain, '_') : NULL;

    if (id)
        *id++ = '\0';
    if (!id || wr_parse_u64(plain, 0, INT64_MAX, &s->query.before_ms) < 0 || !wr_id_valid(id))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "Invalid next token");
    memcpy(s->cursor_id, id, sizeof s->cursor_id);
    s->query.before_id = s->cursor_id;
    return 0;
}

/* ---- parameters ---- */

static void read_sandbox(const char *text, struct selection *s)
{
    size_t len = strcspn(text, "-");

    s->nothing = s->nothing || len != WR_ID_LEN;
    if (len == WR_ID_LEN)
        memcpy(s->sandbox_id, text, WR_ID_LEN);
}

/* What nobody can be called matches nothing. */
static void read_name(const char *text, const struct wr_principal *who, struct selection *s)
{
    struct wr_error ignored = {0};

    if (wr_template_ref_parse(text, &s->ref, &ignored) < 0 ||
        (s->ref.team[0] && !wr_streq(s->ref.team, who->team_slug)))
        s->nothing = true;
    s->newest_only = !s->ref.tag[0];
}

static int read_query(const struct wr_exchange *ex, const struct wr_principal *who,
                      struct selection *s, struct wr_error *err)
{
    char text[400];
    uint64_t limit = LIMIT_MAX;

    s->query = (struct wr_store_snapshot_query){.team_id = who->is_operator ? "" : who->team_id,
                                                .sandbox_id = s->sandbox_id,
                                                .name_or_id = s->ref.name,
                                                .tag = s->ref.tag,
                                                .before_ms = UINT64_MAX,
                                                .before_id = ""};
    int r = wr_exchange_query(ex, "sandboxID", text, sizeof text, err);
    if (r > 0 && *text)
        read_sandbox(text, s);
    if (r >= 0)
        r = wr_exchange_query(ex, "name", text, sizeof text, err);
    if (r > 0 && *text)
        read_name(text, who, s);
    if (r >= 0)
        r = wr_exchange_query(ex, "limit", text, sizeof text, err);
    if (r > 0 && wr_parse_u64(text, 1, LIMIT_MAX, &limit) < 0)
        r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                    "validation error: query parameter \"limit\" is a number from 1 to %d",
                    LIMIT_MAX);
    if (r >= 0)
        r = wr_exchange_query(ex, "nextToken", text, sizeof text, err);
    if (r > 0 && *text)
        r = read_cursor(text, s, err);
    s->max = (size_t)limit;
    /* One more, to know whether there is one. */
    s->query.limit = s->newest_only ? 1 : (uint32_t)limit + 1;
    s->nothing = s->nothing || (s->newest_only && s->cursor_id[0]);
    return r < 0 ? r : 0;
}

/* ---- answer ---- */

static bool show(const struct wr_store_snapshot *snapshot, void *data)
{
    struct selection *s = data;

    if (s->shown == s->max) {
        s->more = true;
        return false;
    }
    wr_api_write_snapshot(&s->w, snapshot);
    s->shown++;
    s->last_ms = snapshot->created_ms;
    memcpy(s->last_id, snapshot->id, sizeof s->last_id);
    return true;
}

static void reply(struct wr_exchange *ex, struct selection *s, struct wr_buf *body)
{
    char cursor[CURSOR_MAX + 1];

    wr_jw_end(&s->w);
    if (wr_jw_finish(&s->w) < 0) {
        wr_exchange_abort(ex);
        return;
    }
    wr_exchange_begin(ex, 200);
    wr_exchange_header(ex, "Content-Type", "application/json");
    if (s->more && write_cursor(s, cursor))
        wr_exchange_header(ex, "X-Next-Token", cursor);
    wr_exchange_send(ex, wr_buf_ptr(body), body->len);
}

void wr_api_snapshots_list(struct wr_exchange *ex, const struct wr_route_match *match, void *data)
{
    const struct wr_api_request *request = data;
    struct selection selection = {.shown = 0};
    wr_auto_buf body = WR_BUF(MAX_BYTES);
    struct wr_error error = {0};

    (void)match;
    int r = read_query(ex, &request->who, &selection, &error);
    wr_jw_init(&selection.w, &body);
    wr_jw_array(&selection.w);
    if (r == 0 && !selection.nothing)
        r = wr_store_snapshot_page(request->server->store, &selection.query, show, &selection,
                                   &error);
    if (r < 0)
        wr_api_fail(ex, &error);
    else
        reply(ex, &selection, &body);
}
