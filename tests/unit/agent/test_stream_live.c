/* process.Process against a running agent: what goes in and out. */
#include "base/clock.h"
#include "base/encode.h"
#include "live.h"
#include "test.h"

static const struct stream_opts plain = {0};

static json_t *input(long long pid, const char *kind, const char *bytes, size_t len)
{
    char *text = malloc(WR_BASE64_LEN(len) + 1);
    CHECK(text != NULL);
    text[wr_base64_encode(bytes, len, text)] = '\0';
    json_t *message = json_pack("{s:{s:I}, s:{s:s}}", SELECT(pid), "input", kind, text);
    free(text);
    return message;
}

/* The same as text, for a request that is answered later. */
static char *input_text(long long pid, const char *bytes, size_t len)
{
    json_t *message = input(pid, "stdin", bytes, len);
    char *text = json_dumps(message, JSON_COMPACT);
    CHECK(text != NULL);
    json_decref(message);
    return text;
}

static void send_input(struct live *live, long long pid, const char *kind, const char *text,
                       const char *code)
{
    live_expect(live, "/process.Process/SendInput", input(pid, kind, text, strlen(text)), code);
}

TEST(stdin_round_trip)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(
        &s, &live, &plain,
        json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "sh", "args", "-c", "cat; sleep 0.5"));
    stream_wait(&s, stream_started);
    send_input(&live, s.pid, "stdin", "hello\n", NULL);
    send_input(&live, s.pid, "stdin", "", NULL);
    stream_wait_text(&s, "hello\n");
    send_input(&live, s.pid, "pty", "x", "internal");
    live_expect(&live, "/process.Process/SendInput", json_pack("{s:{s:I}}", SELECT(s.pid)),
                "unimplemented");
    live_expect(&live, "/process.Process/SendInput",
                json_pack("{s:{s:I}, s:{s:s}}", SELECT(s.pid), "input", "stdin", "*"),
                "invalid_argument");
    send_input(&live, s.pid, "stdin", "bye\n", NULL);
    for (int i = 0; i < 2; i++)
        live_expect(&live, "/process.Process/CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)),
                    NULL);
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.out), "hello\nbye\n");
    CHECK_INT(s.exit_code, 0);
    send_input(&live, s.pid, "stdin", "x", "not_found");
    live_expect(&live, "/process.Process/CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)),
                "not_found");
    stream_done(&s);

    stream_open(&s, &live, &plain, start_shell("sleep 1000"));
    stream_wait(&s, stream_started);
    send_input(&live, s.pid, "stdin", "x", "internal"); /* stdin:false */
    stream_done(&s);
}

TEST(a_sender_is_held_back_until_the_process_reads)
{
    enum { PIECE = 768 * 1024, PIECES = 6 };
    auto_live live = {0};
    struct stream s;
    struct reply replies[PIECES];
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    live_start(&live);
    char *bytes = malloc(PIECE);
    CHECK(bytes != NULL);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "sh", "args", "-c",
                          "echo ready; while [ ! -e go ]; do sleep 0.02; done; exec cksum"));
    stream_wait_text(&s, "ready");
    memset(bytes, 'a', PIECE);
    char *text = input_text(s.pid, bytes, PIECE);
    for (int i = 0; i < PIECES; i++)
        live_send(&live, &replies[i], "POST", "/process.Process/SendInput", headers, text,
                  strlen(text));
    free(text);
    live_wait_reply(&live, &replies[0]);
    live_idle(&live, 500);
    int accepted = 0;
    for (int i = 0; i < PIECES; i++)
        accepted += replies[i].done;
    CHECK_INT(accepted, 1); /* what fits into the queue */
    live_check_rss(&live, 24 * WR_MIB);
    live_run(&live, "touch go", 0, NULL);
    for (int i = 0; i < PIECES; i++) {
        live_wait_reply(&live, &replies[i]);
        CHECK_INT(replies[i].status, 200);
        reply_done(&replies[i]);
    }
    live_expect(&live, "/process.Process/CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_wait(&s, stream_closed);
    /* The same bytes, made by the sandbox itself. */
    CHECK(strncmp(wr_buf_cstr(&s.out), "ready\n", 6) == 0);
    live_run(&live, "head -c 4718592 /dev/zero | tr '\\0' a | cksum", 0, wr_buf_cstr(&s.out) + 6);
    stream_done(&s);
    free(bytes);
}

TEST(input_to_a_process_that_dies_fails)
{
    auto_live live = {0};
    struct stream s;
    struct reply reply;
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    live_start(&live);
    char *bytes = calloc(1, 2 * WR_MIB);
    CHECK(bytes != NULL);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s]}}", "process", "cmd", "sleep", "args", "1000"));
    stream_wait(&s, stream_started);
    char *text = input_text(s.pid, bytes, 2 * WR_MIB);
    live_send(&live, &reply, "POST", "/process.Process/SendInput", headers, text, strlen(text));
    live_idle(&live, 100);
    CHECK(!reply.done);
    live_signal(&live, s.pid, "SIGNAL_SIGKILL", NULL);
    live_wait_reply(&live, &reply);
    CHECK_INT(reply.status, 500);
    stream_wait(&s, stream_closed);
    reply_done(&reply);
    stream_done(&s);
    free(text);
    free(bytes);
}

TEST(a_terminal_echoes_resizes_and_interrupts)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s],s:{s:s,s:s}}, s:{s:{s:i,s:i}}}", "process", "cmd",
                          "/bin/bash", "args", "--norc", "-i", "envs", "TERM", "xterm", "PS1", "$ ",
                          "pty", "size", "cols", 81, "rows", 24));
    stream_wait(&s, stream_started);
    send_input(&live, s.pid, "pty", "stty size; tty; id -un\n", NULL);
    stream_wait_text(&s, "24 81\r\n/dev/pts/0\r\nuser\r\n");
    live_expect(&live, "/process.Process/Update",
                json_pack("{s:{s:I}, s:{s:{s:i,s:i}}}", SELECT(s.pid), "pty", "size", "cols", 100,
                          "rows", 30),
                NULL);
    send_input(&live, s.pid, "pty", "stty size\n", NULL);
    stream_wait_text(&s, "30 100\r\n");
    send_input(&live, s.pid, "stdin", "x", "internal");
    live_expect(&live, "/process.Process/CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)),
                "unknown");
    live_expect(&live, "/process.Process/Update",
                json_pack("{s:{s:I}, s:{s:{s:i}}}", SELECT(s.pid), "pty", "size", "cols", 65536),
                "invalid_argument");

    send_input(&live, s.pid, "pty", "echo sl''eeping; sleep 1000; echo rc=$?\n", NULL);
    stream_wait_text(&s, "sleeping\r\n");
    live_idle(&live, 100);
    live_signal(&live, s.pid, "SIGNAL_SIGINT", NULL); /* stops the job, not the shell */
    send_input(&live, s.pid, "pty", "echo still $((40+2)) here\n", NULL);
    stream_wait_text(&s, "still 42 here");
    send_input(&live, s.pid, "pty", "exit 9\n", NULL);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 9);
    CHECK_INT(s.out.len, 0);
    stream_done(&s);
}

TEST(resizing_a_process_without_terminal_fails)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain, start_shell("sleep 1000"));
    stream_wait(&s, stream_started);
    live_expect(
        &live, "/process.Process/Update",
        json_pack("{s:{s:I}, s:{s:{s:i,s:i}}}", SELECT(s.pid), "pty", "size", "cols", 1, "rows", 1),
        "internal");
    live_expect(&live, "/process.Process/Update", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_done(&s);
}

TEST(a_slow_reader_stops_the_writer_and_not_the_memory)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts discard = {.discard = true};
    live_start(&live);
    live_run(&live, "true", 0, "");
    stream_open(&s, &live, &discard, start_shell("head -c 16777216 /dev/zero; touch finished"));
    stream_wait(&s, stream_started);
    stream_pause(&s, true);
    live_idle(&live, 500);
    live_check_rss(&live, 8 * WR_MIB);
    live_run(&live, "test ! -e finished", 0, NULL); /* and others are served meanwhile */
    stream_pause(&s, false);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.bytes, 16777216);
    CHECK_INT(s.exit_code, 0);
    live_check_rss(&live, 8 * WR_MIB);
    stream_done(&s);
}

/* Both streams stand still because of the one reader; the second holds a marker by then. */
static const char flood[] =
    "head -c 33554432 /dev/zero & sleep 0.3; echo marker >&2; : >marked; exec sleep 1000";
static const char until_marked[] = "while [ ! -e marked ]; do sleep 0.02; done";

TEST(a_kill_still_delivers_what_was_written)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain, start_shell(flood));
    stream_wait(&s, stream_started);
    stream_pause(&s, true);
    live_run(&live, until_marked, 0, NULL);
    CHECK_INT(s.err.len, 0);
    live_signal(&live, s.pid, "SIGNAL_SIGKILL", NULL);
    stream_pause(&s, false);
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.err), "marker\n");
    CHECK_STR(s.error, "signal: killed");
    CHECK(s.out.len > 0 && s.out.len < 33554432);
    stream_done(&s);
}

TEST(a_reader_that_stood_still_and_leaves_sets_the_writer_free)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain, start_shell("head -c 33554432 /dev/zero; touch finished"));
    stream_wait(&s, stream_started);
    stream_pause(&s, true);
    live_idle(&live, 300);
    live_run(&live, "test ! -e finished", 0, NULL);
    stream_done(&s);
    live_run(&live, "for i in $(seq 200); do [ -e finished ] && exit 0; sleep 0.05; done; exit 1",
             0, "");
}

TEST(output_without_a_reader_is_discarded)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                start_shell("sleep 0.2; head -c 16777216 /dev/zero; touch finished"));
    stream_wait(&s, stream_started);
    stream_done(&s); /* the client leaves; the process goes on */
    live_run(&live, "for i in $(seq 200); do [ -e finished ] && exit 0; sleep 0.05; done; exit 1",
             0, "");
    live_check_rss(&live, 8 * WR_MIB);
}

TEST(connect_by_pid_and_tag)
{
    auto_live live = {0};
    struct stream first, second, third;
    const struct stream_opts connect = {.path = LIVE_CONNECT};
    live_start(&live);
    json_t *request = json_pack("{s:{s:s,s:[s,s]}, s:s}", "process", "cmd", "sh", "args", "-c",
                                "echo early; read a; echo got $a; exit 2", "tag", "my tag");
    stream_open(&first, &live, &plain, request);
    stream_wait_text(&first, "early");
    stream_open(&second, &live, &connect, json_pack("{s:{s:I}}", SELECT(first.pid)));
    stream_open(&third, &live, &connect, json_pack("{s:{s:s}}", "process", "tag", "my tag"));
    stream_wait(&second, stream_started);
    stream_wait(&third, stream_started);
    CHECK_INT(second.pid, first.pid);
    CHECK_INT(third.pid, first.pid);
    send_input(&live, first.pid, "stdin", "line\n", NULL);
    stream_wait(&first, stream_closed);
    stream_wait(&second, stream_closed);
    stream_wait(&third, stream_closed);
    CHECK_STR(wr_buf_cstr(&first.out), "early\ngot line\n");
    CHECK_STR(wr_buf_cstr(&second.out), "got line\n"); /* live output only */
    CHECK_STR(wr_buf_cstr(&third.out), "got line\n");
    CHECK_INT(second.exit_code, 2);
    stream_done(&second);
    stream_done(&third);
    /* It has ended and is remembered. */
    stream_open(&second, &live, &connect, json_pack("{s:{s:I}}", SELECT(first.pid)));
    stream_wait(&second, stream_closed);
    CHECK_INT(second.exit_code, 2);
    CHECK_STR(second.error, "exit status 2");
    stream_done(&first);
    stream_done(&second);
}

TEST(connect_has_a_timeout_of_its_own)
{
    auto_live live = {0};
    struct stream first, second;
    const struct stream_opts connect = {.path = LIVE_CONNECT, .timeout_ms = 200};
    live_start(&live);
    stream_open(&first, &live, &plain, start_shell("sleep 0.6; echo done"));
    stream_wait(&first, stream_started);
    stream_open(&second, &live, &connect, json_pack("{s:{s:I}}", SELECT(first.pid)));
    stream_wait(&second, stream_closed);
    CHECK_STR(second.code, "deadline_exceeded");
    stream_wait(&first, stream_closed);
    CHECK_STR(wr_buf_cstr(&first.out), "done\n");
    stream_done(&first);
    stream_done(&second);
}

TEST(silence_is_broken_by_keepalives)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts opts = {.keepalive_s = 1};
    live_start(&live);
    stream_open(&s, &live, &opts, start_shell("sleep 2.5"));
    stream_wait(&s, stream_closed);
    CHECK_INT(s.keepalives, 2);
    stream_done(&s);
}

TEST(waiting_input_is_bounded)
{
    enum { PIECE = 2900 * 1024, PIECES = 7 };
    auto_live live = {0};
    struct stream s;
    struct reply replies[PIECES];
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    live_start(&live);
    char *bytes = calloc(1, PIECE);
    CHECK(bytes != NULL);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s]}}", "process", "cmd", "sleep", "args", "1000"));
    stream_wait(&s, stream_started);
    char *text = input_text(s.pid, bytes, PIECE);
    for (int i = 0; i < PIECES; i++) {
        live_send(&live, &replies[i], "POST", "/process.Process/SendInput", headers, text,
                  strlen(text));
    }
    /* Whichever arrives last is refused; the others wait for good. */
    int refused = -1;
    for (uint64_t end = wr_mono_ms() + LIVE_WAIT_MS; refused < 0 && wr_mono_ms() < end;
         live_idle(&live, 10)) {
        for (int i = 0; i < PIECES; i++)
            refused = replies[i].done ? i : refused;
    }
    CHECK(refused >= 0);
    CHECK_INT(replies[refused].status, 429);
    live_idle(&live, 100);
    for (int i = 0; i < PIECES; i++) {
        CHECK(replies[i].done == (i == refused));
        reply_done(&replies[i]);
    }
    stream_done(&s);
    free(text);
    free(bytes);
}
