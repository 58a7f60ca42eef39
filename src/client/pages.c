#include "client/pages.h"

#include "base/alloc.h"
#include "base/str.h"
#include "http/uri.h"
#include "json/jread.h"

#define MAX_TARGET ((size_t)16 * 1024)
#define MAX_PAGE   ((size_t)16 * 1024 * 1024)
#define MAX_VALUES ((size_t)2 * 1024 * 1024) /* of a page; each takes up to 200 bytes */
#define MAX_PAGES  10000
#define MAX_LIST   ((size_t)16 * 1024 * 1024) /* bytes of all pages but the last */

static int write_target(const struct wr_pages *pages, const char *next, struct wr_buf *out,
                        struct wr_error *err)
{
    char encoded[WR_PAGE_NEXT_MAX * 3];

    if (!wr_uri_encode(next, encoded, sizeof encoded) ||
        wr_buf_append_str(out, pages->target) < 0 ||
        (next[0] && wr_buf_printf(out, "&nextToken=%s", encoded) < 0) || !wr_buf_cstr(out))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: the request is too long", pages->what);
    return 0;
}

static int take_page(const struct wr_pages *pages, const struct wr_page *page, json_t *list,
                     struct wr_error *err)
{
    static const struct wr_json_limits limits = {
        .bytes = MAX_PAGE, .values = MAX_VALUES, .allow_nul = true, .any = true};
    wr_auto_json *items = NULL;
    struct wr_error why = {0};

    if (wr_json_parse_limited(wr_buf_ptr(&page->body), page->body.len, &limits, &items, &why) < 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: the answer: %.100s", pages->what, why.msg);
    if (!json_is_array(items))
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: the answer is no list", pages->what);
    if (json_array_extend(list, items) < 0)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%s", pages->what);
    if (page->has_next && !page->next[0])
        return wr_fail(err, WR_E_INTERNAL, 0, "%s: the next page's name is too long", pages->what);
    return 0;
}

static int read_all(const struct wr_pages *pages, struct wr_page *page, json_t *list,
                    struct wr_error *err)
{
    size_t bytes = 0, count = 0;

    do {
        wr_auto_buf target = WR_BUF(MAX_TARGET);
        int r = write_target(pages, page->next, &target, err);
        wr_buf_clear(&page->body);
        if (r == 0)
            r = pages->fetch(pages->data, wr_buf_ptr(&target), page, err);
        if (r == 0)
            r = take_page(pages, page, list, err);
        if (r < 0)
            return r;
        bytes += page->body.len;
        if (page->has_next && (bytes > MAX_LIST || ++count == MAX_PAGES))
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%s: the server's pages have no end",
                           pages->what);
    } while (page->has_next);
    return 0;
}

int wr_pages_read(const struct wr_pages *pages, json_t **ret, struct wr_error *err)
{
    wr_auto_json *list = json_array();
    wr_auto_free struct wr_page *page = wr_calloc(1, sizeof *page);

    if (!list || !page)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "%s", pages->what);
    wr_buf_init(&page->body, MAX_PAGE);
    int r = read_all(pages, page, list, err);
    wr_buf_done(&page->body);
    if (r == 0)
        *ret = json_incref(list);
    return r;
}
