/* Logs of sandboxes: the reader of an agent's answer, the merge of two sources, and the routes with
 * an agent of the test's own. */
#include <arpa/inet.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "server/agent_log.h"
#include "server/log_lines.h"
#include "server_fixture.h"
#include "test.h"

/* ---- an agent's answer ---- */

static bool append_line(const struct wr_agent_line *line, void *data)
{
    CHECK(wr_buf_printf(data, "%llu %s %lld %s;", (unsigned long long)line->at_ms, line->stream,
                        (long long)line->pid, line->text) >= 0);
    return !wr_streq(line->text, "stop");
}

/* The same in pieces of every size up to 20. */
static void check_feed(const char *text, size_t len, bool more, const char *expected)
{
    for (size_t piece = 1; piece <= 20; piece++) {
        struct wr_agent_log log;
        wr_auto_buf seen = WR_BUF(64 * 1024);
        bool r = true;

        wr_agent_log_init(&log);
        for (size_t at = 0; r && at < len; at += piece)
            r = wr_agent_log_feed(&log, text + at, WR_MIN(piece, len - at), append_line, &seen);
        CHECK_INT(r, more);
        CHECK_INT(wr_buf_append(&seen, "", 1), 0);
        CHECK_STR(wr_buf_ptr(&seen), expected);
        wr_agent_log_done(&log);
    }
}

#define LINE(text) \
    "{\"ts\":\"1970-01-01T00:00:01.5Z\",\"stream\":\"stderr\",\"pid\":7,\"line\":\"" text "\"}\n"
#define SEEN(text) "1500 stderr 7 " text ";"

static void check_text(const char *text, const char *expected)
{
    check_feed(text, strlen(text), true, expected);
}

TEST(lines_of_an_agent)
{
    check_text(LINE("a") LINE("") LINE("b c"), SEEN("a") SEEN("") SEEN("b c"));
    check_text("{\"dropped\":3}\n\n" LINE("a") "{\"ts\":\"1970-01-01T00", SEEN("a"));
    check_text("{\"ts\":\"1970-01-01T00:00:02Z\",\"line\":\"x\",\"new\":[]}\n", "2000 stdout 0 x;");
    check_feed(LINE("a") LINE("stop") LINE("b"), strlen(LINE("a") LINE("stop") LINE("b")), false,
               SEEN("a") SEEN("stop"));
    /* A NUL byte of a program; an escaped backslash before the same letters. */
    check_text(LINE("a\\u0000b"), SEEN("a\xef\xbf\xbd"
                                       "b"));
    check_text(LINE("a\\\\u0000b"), SEEN("a\\u0000b"));
}

TEST(what_is_no_line_is_passed_over)
{
    check_text("x\n[]\n{}\nnull\n{\"ts\":1,\"line\":\"x\"}\n" LINE("a"), SEEN("a"));
    check_text("{\"ts\":\"yesterday\",\"line\":\"x\"}\n{\"ts\":\"0001-01-01T00:00:00Z\",\"line\":"
               "\"x\"}\n" LINE("a"),
               SEEN("a"));
    check_text("{\"ts\":\"1970-01-01T00:00:01Z\"}\n{\"line\":\"x\"}\n" LINE("a"), SEEN("a"));

    /* Longer than a line may be: the rest of it is no line either. */
    wr_auto_buf text = WR_BUF(WR_MIB);
    for (size_t i = 0; i < WR_AGENT_LOG_MAX_LINE; i++)
        CHECK_INT(wr_buf_append(&text, "y", 1), 0);
    CHECK_INT(wr_buf_append_str(&text, LINE("inside") LINE("after")), 0);
    check_feed(wr_buf_ptr(&text), text.len, true, SEEN("after"));
}

TEST(an_endless_answer_ends)
{
    static char junk[WR_MIB];
    struct wr_agent_log log;
    unsigned rounds = 0;

    wr_agent_log_init(&log);
    while (wr_agent_log_feed(&log, junk, sizeof junk, append_line, NULL))
        CHECK(++rounds <= WR_AGENT_LOG_MAX / sizeof junk);
    CHECK(rounds >= WR_AGENT_LOG_MAX / sizeof junk - 1);
    wr_agent_log_done(&log);
}

/* ---- lines ---- */

static void add(struct wr_log_lines *lines, uint64_t at_ms, const char *message)
{
    const struct wr_log_entry entry = {.at_ms = at_ms, .level = WR_LEVEL_INFO, .message = message};

    (void)wr_log_lines_add(lines, &entry, NULL);
}

static void append_message(const struct wr_log_line *line, void *data)
{
    CHECK_INT(wr_buf_append_str(data, line->message), 0);
}

static void check_merge(struct wr_log_query query, const char *expected)
{
    struct wr_log_lines a, b;
    struct wr_error err = {0};
    wr_auto_buf seen = WR_BUF(1024);
    static const char *const first[] = {"A", "B", "C", "D"}, *const second[] = {"a", "b", "c"};
    static const uint64_t first_ms[] = {1, 3, 5, 5}, second_ms[] = {2, 5, 9};

    CHECK_INT(wr_log_lines_init(&a, &query, &err), 0);
    CHECK_INT(wr_log_lines_init(&b, &query, &err), 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(first); i++)
        add(&a, first_ms[i], first[i]);
    for (size_t i = 0; i < WR_ARRAY_SIZE(second); i++)
        add(&b, second_ms[i], second[i]);
    wr_log_lines_merge(&a, &b, append_message, &seen);
    CHECK_INT(wr_buf_append(&seen, "", 1), 0);
    CHECK_STR(wr_buf_ptr(&seen), expected);
    wr_log_lines_done(&a);
    wr_log_lines_done(&b);
}

TEST(two_sources_in_one_order)
{
    check_merge((struct wr_log_query){.limit = 9}, "AaBCDbc");
    check_merge((struct wr_log_query){.limit = 3}, "AaB");
    check_merge((struct wr_log_query){.limit = 9, .cursor_ms = 3}, "BCDbc");
    check_merge((struct wr_log_query){.limit = 0}, "");
    check_merge((struct wr_log_query){.limit = 9, .level = WR_LEVEL_WARN}, "");
    check_merge((struct wr_log_query){.limit = 9, .search = "C"}, "C");
    check_merge((struct wr_log_query){.limit = 9, .backward = true, .cursor_ms = 99}, "cbDCBaA");
    check_merge((struct wr_log_query){.limit = 3, .backward = true, .cursor_ms = 99}, "cbD");
    check_merge((struct wr_log_query){.limit = 9, .backward = true, .cursor_ms = 4}, "BaA");
}

/* Whatever an agent sends, so much of it is held at a time. */
TEST(held_bytes_are_bounded)
{
    static char message[64 * 1024];
    struct wr_error err = {0};

    memset(message, 'm', sizeof message - 1);
    for (int backward = 0; backward < 2; backward++) {
        const struct wr_log_query query = {
            .limit = WR_LOG_LINES_MAX, .backward = backward, .cursor_ms = backward ? 99 : 0};
        struct wr_log_lines lines;
        CHECK_INT(wr_log_lines_init(&lines, &query, &err), 0);
        for (unsigned i = 0; i < 100; i++)
            add(&lines, 1, message);
        CHECK(lines.bytes <= WR_LOG_LINES_MAX_BYTES);
        CHECK(lines.count >= WR_LOG_LINES_MAX_BYTES / sizeof message);
        wr_log_lines_done(&lines);
    }
}

/* ---- routes ---- */

/* Answers every connection with `answer`, and closes it unless it is to `hang`. */
static pid_t start_agent(const char *answer, bool hang)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(WR_AGENT_PORT),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid > 0) {
        close(fd);
        return pid;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        char request[4096] = "";
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0 || read(client, request, sizeof request - 1) <= 0)
            _exit(1);
        bool good = strstr(request, "GET /logs HTTP/1.1\r\n") &&
                    (strstr(answer, "public") || strstr(request, "X-Access-Token: "));
        const char *text = good ? answer : "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n";
        if (wr_write_all(client, text, strlen(text)) < 0)
            _exit(2);
        if (hang)
            pause();
        close(client);
    }
}

static void stop_agent(pid_t pid)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_INT(exit_of(pid), 1000 + SIGKILL);
}

#define ANSWER                                                                               \
    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"                                           \
    "{\"ts\":\"2001-01-01T00:00:00Z\",\"stream\":\"stdout\",\"pid\":2,\"line\":\"first\"}\n" \
    "{\"ts\":\"2001-01-01T00:00:01.5Z\",\"stream\":\"stderr\",\"pid\":2,\"line\":\"\\\"se\\\"\"}\n"

static void append_messages(const json_t *logs, char *out, size_t cap)
{
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(logs); i++) {
        const json_t *entry = json_array_get(logs, i);
        size_t len = strlen(out);
        CHECK(json_is_object(json_object_get(entry, "fields")));
        CHECK(strlen(text_of(entry, "timestamp")) == 24);
        CHECK(wr_strformat(out + len, cap - len, "%s %s;", text_of(entry, "level"),
                           text_of(entry, "message")));
    }
}

static void check_v2(struct fixture *f, const char *id, const char *query, const char *expected)
{
    char target[256], seen[1024];
    json_t *answer = NULL;

    CHECK(wr_strformat(target, sizeof target, "/v2/sandboxes/%s/logs%s", id, query));
    CHECK_INT(api(f, 0, "GET", target, NULL, &answer), 200);
    append_messages(json_object_get(answer, "logs"), seen, sizeof seen);
    CHECK_STR(seen, expected);
    json_decref(answer);
}

TEST(log_of_a_running_sandbox)
{
    own_network();
    pid_t agent = start_agent(ANSWER, false);
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[256];

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\",\"secure\":true}", id));
    check_v2(&f, id, "", "info Sandbox created;warn \"se\";info first;");
    check_v2(&f, id, "?direction=forward", "info first;warn \"se\";info Sandbox created;");
    check_v2(&f, id, "?direction=forward&limit=1", "info first;");
    check_v2(&f, id, "?limit=1", "info Sandbox created;");
    check_v2(&f, id, "?level=warn", "warn \"se\";");
    check_v2(&f, id, "?search=fir", "info first;");
    check_v2(&f, id, "?cursor=978307200000", "info first;"); /* 2001-01-01 */
    check_v2(&f, id, "?cursor=978307200001&direction=forward&limit=1", "warn \"se\";");

    static const char *const bad[] = {"limit=1001", "limit=-1", "cursor=x", "direction=up",
                                      "level=loud"};
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        CHECK(wr_strformat(target, sizeof target, "/v2/sandboxes/%s/logs?%s", id, bad[i]));
        refused(&f, 0, "GET", target, NULL, 400, "validation error: ");
    }
    CHECK(wr_strformat(target, sizeof target, "/v2/sandboxes/%s/logs", id));
    refused(&f, 1, "GET", target, NULL, 404, "doesn't exist or you don't have access to it");
    stop(&f);
    stop_agent(agent);
}

/* As the command line of E2B reads it: each line is JSON with a level. */
TEST(log_in_the_old_form)
{
    own_network();
    pid_t agent = start_agent(ANSWER, false);
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[256], seen[1024];
    json_t *answer = NULL;

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\",\"secure\":true}", id));
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s/logs?start=978307200001", id));
    CHECK_INT(api(&f, 0, "GET", target, NULL, &answer), 200);
    const json_t *logs = json_object_get(answer, "logs");
    CHECK_INT(json_array_size(logs), 2);
    const char *text = text_of(json_array_get(logs, 0), "line");
    CHECK_STR(text_of(json_array_get(logs, 0), "timestamp"), "2001-01-01T00:00:01.500Z");
    json_t *line = json_loads(text, 0, NULL);
    CHECK_STR(text_of(line, "level"), "warn");
    CHECK_STR(text_of(line, "message"), "\"se\"");
    CHECK_STR(text_of(line, "logger"), "process");
    json_decref(line);
    append_messages(json_object_get(answer, "logEntries"), seen, sizeof seen);
    CHECK_STR(seen, "warn \"se\";info Sandbox created;");
    json_decref(answer);
    stop(&f);
    stop_agent(agent);
}

TEST(log_without_an_agent_and_of_a_gone_sandbox)
{
    own_network();
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21], target[64];

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    check_v2(&f, id, "", "info Sandbox created;");
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s", id));
    CHECK_INT(api(&f, 0, "DELETE", target, NULL, NULL), 204);
    check_v2(&f, id, "", "info Sandbox killed;info Sandbox created;");
    CHECK(wr_strformat(target, sizeof target, "/sandboxes/%s/logs", id));
    CHECK_INT(api(&f, -1, "GET", target, NULL, NULL), 200);
    refused(&f, 1, "GET", target, NULL, 404, "doesn't exist or you don't have access to it");
    refused(&f, 0, "GET", "/sandboxes/aaaaaaaaaaaaaaaaaaaa/logs", NULL, 404, "doesn't exist");
    refused(&f, 0, "GET", "/sandboxes/not-found/logs", NULL, 404, "doesn't exist");
    stop(&f);
}

/* A hostile agent keeps its answer open: what has come is the answer, after a while. */
TEST(an_agent_that_does_not_end)
{
    own_network();
    pid_t agent = start_agent("HTTP/1.1 200 OK\r\n\r\n{\"ts\":\"2001-01-01T00:00:00Z\",\"line\":"
                              "\"public\"}\n{\"ts\":\"2001",
                              true);
    struct fixture f = start_with(&(struct start_opts){.api = true});
    char id[21];

    json_decref(created(&f, 0, "/sandboxes", "{\"templateID\":\"base\"}", id));
    check_v2(&f, id, "", "info Sandbox created;info public;");
    stop(&f);
    stop_agent(agent);
}
