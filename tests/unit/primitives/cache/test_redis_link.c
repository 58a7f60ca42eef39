#include "primitives/cache/redis_link.h"
#include "scripted_redis.h"

static void open_link(struct wr_redis_link *link, const char *url)
{
    struct wr_error err = {0};
    *link = (struct wr_redis_link){0};
    CHECK_INT(wr_redis_url_parse(url, &link->target, &err), 0);
    wr_redis_link_init(link);
}

static int call(struct wr_redis_link *link, char *ret, size_t cap, struct wr_error *err)
{
    redisReply *reply = NULL;
    int r = wr_redis_call(link, WR_REDIS_WORDS("GET", "k"), &reply, err);
    if (r == 0) {
        (void)snprintf(ret, cap, "%s", reply->str ? reply->str : "(none)");
        freeReplyObject(reply);
    }
    return r;
}

#define GET_K "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"

TEST(one_connection_serves_many_commands)
{
    static const char *const answers[] = {"$3\r\none\r\n", "$-1\r\n", "$3\r\ntwo\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    CHECK_STR(text, "one");
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    CHECK_STR(text, "(none)");
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    CHECK_STR(text, "two");
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
    CHECK_INT(redis.connections, 1);
    CHECK_STR(redis.seen, GET_K GET_K GET_K);
}

TEST(it_says_who_it_is_and_which_database)
{
    static const char *const answers[] = {"+OK\r\n", "+OK\r\n", "$1\r\nx\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64], url[128];
    scripted_redis_start(&redis, answers);
    (void)snprintf(url, sizeof url, "unix://ann:pw@%s?db=3", redis.path);
    open_link(&link, url);
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    wr_redis_link_done(&link);
    CHECK_STR(link.target.password, "");
    scripted_redis_end(&redis);
    CHECK_STR(redis.seen, "*3\r\n$4\r\nAUTH\r\n$3\r\nann\r\n$2\r\npw\r\n"
                          "*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n" GET_K);
}

TEST(a_connection_that_was_closed_meanwhile_is_made_again)
{
    static const char *const answers[] = {"$3\r\none\r\n", HANG_UP, "$3\r\ntwo\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    CHECK_STR(text, "two");
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
    CHECK_INT(redis.connections, 2);
}

TEST(after_a_failure_there_is_a_pause)
{
    static const char *const answers[] = {HANG_UP, NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "Redis closed the connection");
    link.not_before_ms = UINT64_MAX; /* as long as the test may take */
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    CHECK(strstr(err.msg, "in a moment"));
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
    CHECK_INT(redis.connections, 1);
}

TEST(pauses_grow_up_to_a_bound)
{
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    open_link(&link, "unix:///tmp/warren-no-such-socket");
    for (unsigned i = 1; i <= 40; i++) {
        link.not_before_ms = 0;
        CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
        CHECK_INT(link.failures, i);
        CHECK(link.not_before_ms > 0);
    }
    wr_redis_link_done(&link);
}

TEST(answers_that_are_errors_keep_the_connection)
{
    static const char *const answers[] = {"-ERR unknown\r\n", "$1\r\nx\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "Redis: ERR unknown");
    CHECK_INT(call(&link, text, sizeof text, &err), 0);
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
    CHECK_INT(redis.connections, 1);
}

TEST(a_wrong_password_is_no_connection)
{
    static const char *const answers[] = {"-WRONGPASS invalid\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64], url[128];
    scripted_redis_start(&redis, answers);
    (void)snprintf(url, sizeof url, "unix://:hunter2@%s", redis.path);
    open_link(&link, url);
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    CHECK_STR(err.msg, "Redis: WRONGPASS invalid");
    CHECK_INT(link.fd, -1);
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
}

/* AUTH is answered, and then nothing more: the command has what is left of one time for all. */
TEST(one_that_falls_silent_has_one_time_for_all)
{
    static const char *const answers[] = {"+OK\r\n", SILENCE, NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64], url[128];
    scripted_redis_start(&redis, answers);
    (void)snprintf(url, sizeof url, "unix://:pw@%s", redis.path);
    open_link(&link, url);
    link.call_ms = 30;
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_STR(err.msg, "Redis did not answer within 30 ms");
    link.not_before_ms = UINT64_MAX;
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
    CHECK_INT(redis.connections, 1);
}

TEST(what_is_no_answer_breaks_the_connection)
{
    static const char *const answers[] = {"HTTP/1.1 400 Bad Request\r\n\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_UNAVAILABLE);
    CHECK_INT(link.fd, -1);
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
}

TEST(answers_come_in_pieces_and_are_of_any_form)
{
    static const char *const answers[] = {"$10\r\n01234", "56789\r\n", NULL};
    struct scripted_redis redis;
    struct wr_redis_link link;
    struct wr_error err = {0};
    char text[64];
    /* The second piece is sent when the connection's next bytes come: there are none, and the
     * server closes. The answer is then not whole. */
    scripted_redis_start(&redis, answers);
    open_link(&link, redis.url);
    CHECK_INT(call(&link, text, sizeof text, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(link.fd, -1);
    link.not_before_ms = 0;
    CHECK(call(&link, text, sizeof text, &err) < 0);
    wr_redis_link_done(&link);
    scripted_redis_end(&redis);
}
