/* process.Process against a running agent: streams of input, and the binary codec. */
#include <fcntl.h>

#include "agent/exec/process_messages.h"
#include "base/encode.h"
#include "base/file.h"
#include "live_messages.h"
#include "test.h"

#define SERVICE "/process.Process/"

static const struct stream_opts plain = {0};
static const struct messages_opts input_json = {.path = SERVICE "StreamInput"};
static const struct messages_opts input_binary = {.path = SERVICE "StreamInput",
                                                  .request = &wr_process_stream_input_request,
                                                  .response = &wr_process_empty_response};

static json_t *input_of(const char *kind, const char *text, size_t len)
{
    char *base64 = malloc(WR_BASE64_LEN(len) + 1);
    CHECK(base64 != NULL);
    base64[wr_base64_encode(text, len, base64)] = '\0';
    json_t *input = json_pack("{s:s}", kind, base64);
    free(base64);
    return input;
}

static json_t *start_of(long long pid)
{
    return json_pack("{s:{s:{s:I}}}", "start", SELECT(pid));
}

static json_t *data_of(const char *kind, const char *text)
{
    return json_pack("{s:{s:o}}", "data", "input", input_of(kind, text, strlen(text)));
}

static void check_stream(const struct messages_opts *opts)
{
    auto_live live = {0};
    struct messages m;
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain, start_cmd("cat"));
    stream_wait(&s, stream_started);
    messages_open(&m, &live, opts);
    CHECK(messages_send(&m, start_of(s.pid)));
    CHECK(messages_send(&m, data_of("stdin", "one ")));
    CHECK(messages_send(&m, json_pack("{s:{}}", "keepalive")));
    CHECK(messages_send(&m, data_of("stdin", "")));
    CHECK(messages_send(&m, data_of("stdin", "two\n")));
    stream_wait_text(&s, "one two\n"); /* before the stream of input has ended */
    CHECK(!m.closed);
    messages_finish(&m);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "");
    CHECK_INT(json_array_size(m.list), 1);
    CHECK_INT(json_object_size(json_array_get(m.list, 0)), 0);
    messages_done(&m);
    /* The end of the stream is not the end of stdin. */
    live_expect(&live, SERVICE "SendInput",
                json_pack("{s:{s:I},s:o}", SELECT(s.pid), "input", input_of("stdin", "3\n", 2)),
                NULL);
    stream_wait_text(&s, "two\n3\n");
    live_expect(&live, SERVICE "CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 0);
    stream_done(&s);
}

TEST(a_stream_of_input)
{
    check_stream(&input_json);
}

TEST(a_stream_of_input_in_binary)
{
    check_stream(&input_binary);
}

static void expect_failure(struct live *live, json_t *first, json_t *second, const char *code,
                           const char *part)
{
    struct messages m;

    messages_open(&m, live, &input_json);
    (void)messages_send(&m, first);
    if (second)
        (void)messages_send(&m, second);
    messages_wait_closed(&m); /* although the client has not ended its stream */
    CHECK_INT(m.status, 200);
    CHECK_STR(m.code, code);
    if (!strstr(m.message, part))
        wr_test_fail(__FILE__, __LINE__, "'%s' does not say '%s'", m.message, part);
    messages_done(&m);
}

TEST(streams_of_input_that_fail)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain, start_shell("sleep 1000"));
    stream_wait(&s, stream_started);
    expect_failure(&live, start_of(99999), NULL, "not_found", "process with pid 99999 not found");
    expect_failure(&live, data_of("stdin", "x"), NULL, "invalid_argument", "start");
    expect_failure(&live, json_object(), NULL, "unimplemented", "start, data or keepalive");
    expect_failure(&live, json_pack("{s:{}}", "start"), NULL, "unimplemented", "pid or a tag");
    expect_failure(&live, start_of(s.pid), start_of(s.pid), "invalid_argument", "already");
    expect_failure(&live, start_of(s.pid), data_of("stdin", "x"), "internal",
                   "stdin not enabled or closed");
    expect_failure(&live, start_of(s.pid), data_of("pty", "x"), "internal", "has no pty");
    expect_failure(&live, start_of(s.pid), json_pack("{s:{}}", "data"), "unimplemented",
                   "stdin or pty");
    stream_done(&s);
}

/* What the kernel may hold of one connection: the most of both of its buffers. */
static size_t socket_buffers(void)
{
    static const char *const paths[] = {"/proc/sys/net/ipv4/tcp_rmem",
                                        "/proc/sys/net/ipv4/tcp_wmem"};
    unsigned long sum = 0;
    for (size_t i = 0; i < WR_ARRAY_SIZE(paths); i++) {
        char text[64];
        unsigned long most = 0;
        CHECK(wr_file_read_line(AT_FDCWD, paths[i], text, sizeof(text)) > 0);
        CHECK(sscanf(text, "%*u %*u %lu", &most) == 1);
        sum += most;
    }
    return sum;
}

/* A process that does not read holds back the stream, not the agent's memory. */
TEST(a_stream_of_input_has_back_pressure)
{
    auto_live live = {0};
    struct messages m;
    struct stream s;
    struct wr_error err;
    static char block[256 * 1024];
    size_t sent = 0, bound = socket_buffers() + 16 * WR_MIB; /* and the queues of both sides */
    live_start(&live);
    memset(block, 'x', sizeof(block));
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "/bin/sh", "args", "-c",
                          "exec sleep 1000"));
    stream_wait(&s, stream_started);
    messages_open(&m, &live, &input_binary);
    (void)messages_send(&m, start_of(s.pid));
    for (int idle = 0; sent < 2 * bound && idle < 20;) {
        json_t *data =
            json_pack("{s:{s:o}}", "data", "input", input_of("stdin", block, sizeof(block)));
        bool more = messages_send(&m, data);
        sent += sizeof(block);
        for (idle = 0; !more && idle < 20; idle++) {
            CHECK_INT(wr_loop_step(live.loop, 20, &err), 0);
            more = wr_http_call_write(m.call, "", 0) == WR_HTTP_MORE;
        }
    }
    CHECK(sent < bound);
    live_check_private(&live, 12 * WR_MIB);
    live_run(&live, "echo served", 0, "served\n");
    live_signal(&live, s.pid, "SIGNAL_SIGKILL", NULL);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "internal");
    messages_done(&m);
    stream_done(&s);
}

TEST(all_bytes_of_a_long_stream_arrive)
{
    auto_live live = {0};
    struct messages m;
    struct stream s;
    struct wr_error err;
    static char block[2 * 1024 * 1024]; /* each is more than the queue holds */
    live_start(&live);
    memset(block, 'x', sizeof(block));
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "/bin/sh", "args", "-c",
                          "sleep 0.2; wc -c"));
    stream_wait(&s, stream_started);
    messages_open(&m, &live, &input_binary);
    (void)messages_send(&m, start_of(s.pid));
    for (int i = 0; i < 10; i++) {
        bool more = messages_send(
            &m, json_pack("{s:{s:o}}", "data", "input", input_of("stdin", block, sizeof(block))));
        while (!more) {
            CHECK_INT(wr_loop_step(live.loop, 20, &err), 0);
            more = m.call && wr_http_call_write(m.call, "", 0) == WR_HTTP_MORE;
            CHECK(!m.lost);
        }
    }
    messages_finish(&m);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "");
    messages_done(&m);
    live_expect(&live, SERVICE "CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.out), "20971520\n");
    stream_done(&s);
}

TEST(a_terminal_gets_a_stream_of_keys)
{
    auto_live live = {0};
    struct messages m;
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s]},s:{s:{s:i,s:i}}}", "process", "cmd", "/bin/sh", "args",
                          "-i", "pty", "size", "cols", 80, "rows", 24));
    stream_wait(&s, stream_started);
    messages_open(&m, &live, &input_json);
    (void)messages_send(&m, start_of(s.pid));
    (void)messages_send(&m, data_of("pty", "echo $((40+2))\n"));
    stream_wait_text(&s, "42\r\n");
    (void)messages_send(&m, data_of("pty", "exit 3\n"));
    messages_finish(&m);
    messages_wait_closed(&m);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 3);
    messages_done(&m);
    stream_done(&s);
}

TEST(start_in_binary)
{
    auto_live live = {0};
    struct messages m;
    const struct messages_opts opts = {.path = SERVICE "Start",
                                       .request = &wr_process_start_request,
                                       .response = &wr_process_start_response};
    live_start(&live);
    messages_open(&m, &live, &opts);
    (void)messages_send(&m, start_shell("printf 'a\\0b'; exit 200"));
    messages_finish(&m);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "");
    size_t count = json_array_size(m.list);
    CHECK(count >= 3);
    json_t *start = json_array_get(m.list, 0), *data = json_array_get(m.list, 1);
    const char *bytes = NULL;
    json_int_t pid = 0;
    CHECK_INT(json_unpack(start, "{s:{s:{s:I}}}", "event", "start", "pid", &pid), 0);
    CHECK(pid > 1);
    CHECK_INT(json_unpack(data, "{s:{s:{s:s}}}", "event", "data", "stdout", &bytes), 0);
    CHECK_STR(bytes, "YQBi");
    int exit_code = 0, exited = 0;
    CHECK_INT(json_unpack(json_array_get(m.list, count - 1), "{s:{s:{s:i,s:b}}}", "event", "end",
                          "exitCode", &exit_code, "exited", &exited),
              0);
    CHECK(exit_code == 200 && exited);
    messages_done(&m);

    messages_open(&m, &live, &opts);
    (void)messages_send(&m, json_pack("{s:{s:s,s:s}}", "process", "cmd", "x", "cwd", "/none"));
    messages_finish(&m);
    messages_wait_closed(&m);
    CHECK_STR(m.code, "invalid_argument");
    CHECK_STR(m.message, "cwd '/none' does not exist");
    messages_done(&m);
}

/* Absent is not the same as false, in both codecs. */
TEST(stdin_is_open_unless_it_was_refused)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "/bin/sh", "args", "-c",
                          "cat; echo end; exec sleep 1000"));
    stream_wait(&s, stream_started);
    live_idle(&live, 100);
    CHECK_STR(wr_buf_cstr(&s.out), "");
    live_expect(&live, SERVICE "CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    live_expect(&live, SERVICE "CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_wait_text(&s, "end\n");
    stream_done(&s);
    stream_open(&s, &live, &plain, json_pack("{s:{s:s},s:b}", "process", "cmd", "cat", "stdin", 0));
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 0);
    stream_done(&s);
}

static long long start_tagged(struct stream *s, struct live *live, const char *tag)
{
    stream_open(s, live, &plain,
                json_pack("{s:{s:s,s:[s]},s:s,s:b}", "process", "cmd", "sleep", "args", "1000",
                          "tag", tag, "stdin", 0));
    stream_wait(s, stream_started);
    return s->pid;
}

TEST(tags_select_among_several_processes)
{
    auto_live live = {0};
    struct stream a, b, again;
    live_start(&live);
    (void)start_tagged(&a, &live, "a");
    (void)start_tagged(&b, &live, "b");
    (void)start_tagged(&again, &live, "a");
    json_t *request = json_pack("{s:{s:s},s:s}", "process", "tag", "b", "signal", "SIGNAL_SIGKILL");
    live_expect(&live, SERVICE "SendSignal", request, NULL);
    stream_wait(&b, stream_closed);
    request = json_pack("{s:{s:s},s:s}", "process", "tag", "a", "signal", "SIGNAL_SIGKILL");
    live_expect(&live, SERVICE "SendSignal", json_incref(request), NULL);
    stream_wait(&again, stream_closed); /* the newer one of two */
    CHECK(!a.has_end);
    live_expect(&live, SERVICE "SendSignal", json_incref(request), NULL);
    stream_wait(&a, stream_closed);
    live_expect(&live, SERVICE "SendSignal", request, "not_found");
    stream_done(&a);
    stream_done(&b);
    stream_done(&again);
}
