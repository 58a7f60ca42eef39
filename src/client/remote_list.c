#include "client/remote_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/str.h"
#include "client/pages.h"
#include "client/remote_ops.h"
#include "http/uri.h"
#include "json/value.h"

#define PAGE_LIMIT 100
#define MAX_TARGET ((size_t)16 * 1024)

/* `text` percent-encoded `times` times, one after the other. */
static int append_encoded(struct wr_buf *out, const char *text, size_t len, int times)
{
    wr_auto_free char *now = wr_strndup(text, len);

    for (int i = 0; now && i < times; i++) {
        size_t cap = strlen(now) * 3 + 1;
        char *encoded = wr_calloc(1, cap);
        if (encoded && !wr_uri_encode(now, encoded, cap))
            encoded[0] = '\0';
        free(now);
        now = encoded;
    }
    return now ? wr_buf_append_str(out, now) : -1;
}

/* The protocol's form of the filter: each key and value is encoded, the pairs are encoded again as
 * a form, and that is one value of the query. */
static int append_filter(struct wr_buf *out, const char *const *metadata, size_t count)
{
    int r = count ? wr_buf_append_str(out, "&metadata=") : 0;

    for (size_t i = 0; r == 0 && i < count; i++) {
        const char *equals = strchr(metadata[i], '=');
        r = i ? wr_buf_append_str(out, "%26") : 0;
        if (r == 0)
            r = append_encoded(out, metadata[i], (size_t)(equals - metadata[i]), 3);
        if (r == 0)
            r = wr_buf_append_str(out, "%3D");
        if (r == 0)
            r = append_encoded(out, equals + 1, strlen(equals + 1), 3);
    }
    return r;
}

static int write_target(struct wr_buf *out, const char *const *metadata, size_t count,
                        struct wr_error *err)
{
    int r = wr_buf_printf(out, "/v2/sandboxes?limit=%d", PAGE_LIMIT);

    if (r == 0)
        r = append_filter(out, metadata, count);
    if (r < 0 || !wr_buf_cstr(out))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "list: the metadata is too long");
    return 0;
}

static int fetch(void *data, const char *target, struct wr_page *ret, struct wr_error *err)
{
    const struct wr_transport_request request = {.method = "GET", .target = target};
    struct wr_answer_field next = {
        .name = WR_PAGE_NEXT_FIELD, .out = ret->next, .cap = sizeof ret->next};
    struct wr_remote_answer answer = {.fields = &next, .field_count = 1, .body = ret->body};

    int r = wr_remote_request(data, &request, &answer, err);
    ret->body = answer.body;
    ret->has_next = next.there;
    return r;
}

int wr_remote_pages(struct wr_remote_use *use, const char *what, const char *target, json_t **ret,
                    struct wr_error *err)
{
    return wr_pages_read(
        &(struct wr_pages){.what = what, .target = target, .fetch = fetch, .data = use}, ret, err);
}

int wr_remote_list(struct wr_remote_use *use, const char *const *metadata, size_t metadata_count,
                   json_t **ret, struct wr_error *err)
{
    wr_auto_buf target = WR_BUF(MAX_TARGET);

    int r = write_target(&target, metadata, metadata_count, err);
    return r < 0 ? r : wr_remote_pages(use, "list of sandboxes", wr_buf_ptr(&target), ret, err);
}

int wr_remote_sandbox_list(void *self, const struct wr_call *call, const char *const *metadata,
                           size_t metadata_count, struct wr_value **ret, struct wr_error *err)
{
    struct wr_remote_use use = {0};
    json_t *list = NULL;

    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_list(&use, metadata, metadata_count, &list, err);
    wr_remote_end(&use);
    if (r == 0)
        *ret = wr_value_of_json(list);
    return r;
}

int wr_remote_check(void *self, const struct wr_call *call, struct wr_error *err)
{
    struct wr_remote_use use = {0};

    int r = wr_remote_begin(self, &call->wait, &use, err);
    if (r == 0)
        r = wr_remote_get(&use, "/v2/sandboxes?limit=1", NULL, err);
    wr_remote_end(&use);
    return r;
}
