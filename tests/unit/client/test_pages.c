#include <string.h>

#include "base/str.h"
#include "client/pages.h"
#include "json/jread.h"
#include "test.h"

struct server {
    const char *const *pages;
    const char *const *next; /* NULL: the last one */
    size_t count, asked;
    char target[64];
};

static int fetch(void *data, const char *target, struct wr_page *ret, struct wr_error *err)
{
    struct server *server = data;
    size_t at = server->asked < server->count ? server->asked : server->count - 1;

    (void)err;
    server->asked++;
    CHECK(wr_strcopy(server->target, sizeof server->target, target));
    CHECK_INT(wr_buf_append_str(&ret->body, server->pages[at]), 0);
    ret->has_next = server->next[at] != NULL;
    CHECK(wr_strcopy(ret->next, sizeof ret->next, server->next[at] ? server->next[at] : ""));
    return 0;
}

static int read_from(struct server *server, json_t **ret, struct wr_error *err)
{
    const struct wr_pages pages = {
        .what = "list", .target = "/x?limit=2", .fetch = fetch, .data = server};

    return wr_pages_read(&pages, ret, err);
}

TEST(pages_become_one_list)
{
    static const char *const pages[] = {"[1,2]", "[]", "[3]"};
    static const char *const next[] = {"a+/b", "c", NULL};
    struct server server = {.pages = pages, .next = next, .count = 3};
    wr_auto_json *list = NULL;
    struct wr_error err = {0};

    CHECK_INT(read_from(&server, &list, &err), 0);
    CHECK_INT(json_array_size(list), 3);
    CHECK_INT(json_integer_value(json_array_get(list, 2)), 3);
    CHECK_STR(server.target, "/x?limit=2&nextToken=c");
    CHECK_INT(server.asked, 3);
}

TEST(the_name_of_a_page_is_encoded)
{
    static const char *const pages[] = {"[1]", "[2]"};
    static const char *const next[] = {"a+/&b", NULL};
    struct server server = {.pages = pages, .next = next, .count = 2};
    wr_auto_json *list = NULL;
    struct wr_error err = {0};

    CHECK_INT(read_from(&server, &list, &err), 0);
    CHECK_STR(server.target, "/x?limit=2&nextToken=a%2B/%26b");
}

TEST(what_is_no_list_is_refused)
{
    static const char *const bad[] = {"{}", "", "[1", "null", "[1] 2"};
    static const char *const next[] = {NULL};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct server server = {.pages = &bad[i], .next = next, .count = 1};
        json_t *list = NULL;
        struct wr_error err = {0};
        CHECK_INT(read_from(&server, &list, &err), -WR_E_INTERNAL);
        CHECK(list == NULL);
    }
}

TEST(a_name_that_did_not_fit_is_refused)
{
    static const char *const pages[] = {"[1]"};
    static const char *const next[] = {""};
    struct server server = {.pages = pages, .next = next, .count = 1};
    json_t *list = NULL;
    struct wr_error err = {0};

    CHECK_INT(read_from(&server, &list, &err), -WR_E_INTERNAL);
}

TEST(pages_without_end_are_given_up)
{
    static const char *const pages[] = {"[]"};
    static const char *const next[] = {"again"};
    struct server server = {.pages = pages, .next = next, .count = 1};
    json_t *list = NULL;
    struct wr_error err = {0};

    CHECK_INT(read_from(&server, &list, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(server.asked, 10000);
}
