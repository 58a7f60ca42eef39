/* process.Process against a running agent. */
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/clock.h"
#include "base/encode.h"
#include "live.h"
#include "test.h"

#define SELECT(pid) "process", "pid", (json_int_t)(pid)

static const struct stream_opts plain = {0};
static const char *const CONNECT = "/process.Process/Connect";

static json_t *start(const char *cmd)
{
    return json_pack("{s:{s:s}}", "process", "cmd", cmd);
}

static void signal_process(struct live *live, long long pid, const char *name, const char *code)
{
    live_expect(live, "/process.Process/SendSignal",
                json_pack("{s:{s:I}, s:s}", SELECT(pid), "signal", name), code);
}

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

static size_t list(struct live *live, long long pid)
{
    int status = 0;
    json_t *answer = live_rpc(live, "/process.Process/List", json_object(), &status);
    const json_t *processes = json_object_get(answer, "processes");
    size_t hits = 0;
    CHECK_INT(status, 200);
    for (size_t i = 0; i < json_array_size(processes); i++)
        hits += json_integer_value(json_object_get(json_array_get(processes, i), "pid")) == pid;
    json_decref(answer);
    return hits;
}

TEST(echo_and_exit_codes)
{
    auto_live live = {0};
    if (!live_start(&live))
        return;
    live_run(&live, "echo hi", 0, "hi\n");
    live_run(&live, "exit 3", 3, "");
    live_run(&live, "id -u; id -g; id -G", 0, "1000\n1000\n1000 2000\n");
    live_run(&live, "pwd; umask; echo $HOME $USER $LOGNAME $GLOBAL", 0,
             "/mnt/home\n0022\n/mnt/home user user from the sandbox\n");
    live_run(&live, "ulimit -c >/dev/null; read x; echo $?", 0, "1\n"); /* stdin is /dev/null */
    live_run(&live, "ls /proc/self/fd | wc -l", 0, "4\n");              /* 0 1 2 and ls's own */
    live_run(&live, "cat /proc/self/oom_score_adj", 0, WR_EXEC_OOM_SCORE_ADJ "\n");
    live_run(&live, "grep -E 'Sig(Blk|Ign)' /proc/self/status", 0,
             "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(stdout_and_stderr_are_apart)
{
    auto_live live = {0};
    struct stream s;
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &plain, start_shell("echo out; echo err >&2; exit 1"));
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.out), "out\n");
    CHECK_STR(wr_buf_cstr(&s.err), "err\n");
    CHECK_INT(s.exit_code, 1);
    CHECK(s.exited);
    CHECK_STR(s.status, "exit status 1");
    CHECK_STR(s.error, "exit status 1");
    stream_done(&s);
}

TEST(environment_user_and_directory_of_a_request)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts as_root = {.user = "root"};
    if (!live_start(&live))
        return;
    json_t *request = json_pack("{s:{s:s, s:[s,s], s:{s:s,s:s}, s:s}}", "process", "cmd", "sh",
                                "args", "-c", "id -u; pwd; echo $GLOBAL $A", "envs", "GLOBAL",
                                "overridden", "A", "b c", "cwd", "/mnt");
    stream_open(&s, &live, &as_root, request);
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.out), "0\n/mnt\noverridden b c\n");
    stream_done(&s);

    const struct stream_opts other_scheme = {.authorization = "Bearer abc"};
    stream_open(&s, &live, &other_scheme, start_shell("id -u"));
    stream_wait(&s, stream_closed);
    CHECK_STR(wr_buf_cstr(&s.out), "1000\n");
    stream_done(&s);
}

static void expect_refused(struct live *live, const struct stream_opts *opts, json_t *request,
                           const char *code, const char *text)
{
    struct stream s;
    stream_open(&s, live, opts, request);
    stream_wait(&s, stream_closed);
    CHECK_STR(s.code, code);
    if (!strstr(s.message, text))
        wr_test_fail(__FILE__, __LINE__, "'%s' does not say '%s'", s.message, text);
    CHECK_INT(s.pid, 0);
    stream_done(&s);
}

TEST(bad_requests_are_refused)
{
    auto_live live = {0};
    const struct stream_opts nobody = {.user = "nobody-here"};
    const struct stream_opts garbled = {.authorization = "Basic *"};
    const struct stream_opts connect = {.path = CONNECT};
    const char *bad = "invalid_argument";
    if (!live_start(&live))
        return;
    expect_refused(&live, &plain, json_object(), bad, "process");
    expect_refused(&live, &plain, start(""), bad, "cmd");
    expect_refused(&live, &plain, json_pack("{s:{s:s,s:[i]}}", "process", "cmd", "x", "args", 1),
                   bad, "args[0]");
    expect_refused(&live, &plain,
                   json_pack("{s:{s:s,s:{s:i}}}", "process", "cmd", "x", "envs", "A", 1), bad,
                   "envs");
    expect_refused(&live, &plain,
                   json_pack("{s:{s:s,s:s}}", "process", "cmd", "x", "cwd", "/nowhere"), bad,
                   "cwd '/nowhere' does not exist");
    expect_refused(&live, &plain,
                   json_pack("{s:{s:s,s:s}}", "process", "cmd", "x", "cwd", "/mnt/locked"), bad,
                   "/mnt/locked");
    expect_refused(&live, &plain, json_pack("{s:{s:s,s:s}}", "process", "cmd", "x", "cwd", "~root"),
                   bad, "cannot expand user-specific home dir");
    expect_refused(&live, &nobody, start("true"), "unauthenticated",
                   "invalid username: 'nobody-here'");
    expect_refused(&live, &garbled, start("true"), "unauthenticated", "Authorization");
    expect_refused(&live, &connect, json_pack("{s:{s:i}}", "process", "pid", 999999), "not_found",
                   "process with pid 999999 not found");
    expect_refused(&live, &connect, json_pack("{s:{s:s}}", "process", "tag", "none"), "not_found",
                   "process with tag none not found");
    expect_refused(&live, &connect, json_object(), "unimplemented", "pid or a tag");

    /* One argument above the kernel's 128 KiB: what execve says reaches the caller. */
    char *big = malloc(200001);
    CHECK(big != NULL);
    memset(big, 'x', 200000);
    big[200000] = '\0';
    expect_refused(&live, &plain,
                   json_pack("{s:{s:s,s:[s]}}", "process", "cmd", "/bin/echo", "args", big), bad,
                   "error starting process '/bin/echo'");
    free(big);
    live_run(&live, "echo alive", 0, "alive\n");
}

static void expect_shell_like(struct live *live, const char *cmd, long long exit_code,
                              const char *err)
{
    struct stream s;
    stream_open(&s, live, &plain, start(cmd));
    stream_wait(&s, stream_closed);
    CHECK(s.pid > 1);
    CHECK_INT(s.exit_code, exit_code);
    CHECK_STR(wr_buf_cstr(&s.err), err);
    CHECK_STR(s.code, "");
    stream_done(&s);
}

TEST(unknown_programs_end_with_127)
{
    auto_live live = {0};
    if (!live_start(&live))
        return;
    expect_shell_like(&live, "no-such-program", 127, "no-such-program: command not found\n");
    expect_shell_like(&live, "/no/such/program", 127, "/no/such/program: command not found\n");
    expect_shell_like(&live, "/etc/passwd", 126, "/etc/passwd: Permission denied\n");
    live_run(&live, "printf 'echo script $0 $1\\n' >s; chmod +x s", 0, "");
    expect_shell_like(&live, "/mnt/home/s", 0, ""); /* no "#!": run by the shell */
}

TEST(signals_end_a_process)
{
    auto_live live = {0};
    struct stream s;
    const struct {
        const char *name, *error;
    } cases[] = {{"SIGNAL_SIGKILL", "signal: killed"},
                 {"SIGNAL_SIGTERM", "signal: terminated"},
                 {"SIGNAL_SIGINT", "signal: interrupt"}};
    if (!live_start(&live))
        return;
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        stream_open(&s, &live, &plain, start_shell("echo ready; exec sleep 1000"));
        stream_wait_text(&s, "ready");
        CHECK_INT(list(&live, s.pid), 1);
        signal_process(&live, s.pid, cases[i].name, NULL);
        stream_wait(&s, stream_closed);
        CHECK_INT(s.exit_code, -1);
        CHECK(!s.exited);
        CHECK_STR(s.error, cases[i].error);
        CHECK_INT(list(&live, s.pid), 0);
        signal_process(&live, s.pid, cases[i].name, "not_found");
        stream_done(&s);
    }
    stream_open(&s, &live, &plain, start_shell("exec sleep 1000"));
    stream_wait(&s, stream_started);
    signal_process(&live, s.pid, "SIGNAL_UNSPECIFIED", "unimplemented");
    signal_process(&live, s.pid, "SIGNAL_SIGHUP", "unimplemented");
    live_expect(&live, "/process.Process/SendSignal",
                json_pack("{s:{s:I}, s:i}", SELECT(s.pid), "signal", 9), NULL);
    stream_wait(&s, stream_closed);
    stream_done(&s);
}

TEST(sigint_reaches_the_whole_group_and_may_be_handled)
{
    auto_live live = {0};
    struct stream s;
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &plain,
                start_shell("trap 'echo got it; exit 5' INT; echo ready; sleep 1000; exit 6"));
    stream_wait_text(&s, "ready");
    live_idle(&live, 50);
    signal_process(&live, s.pid, "SIGNAL_SIGINT", NULL);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 5);
    CHECK_STR(wr_buf_cstr(&s.out), "ready\ngot it\n");
    stream_done(&s);
}

TEST(a_kill_does_not_wait_for_grandchildren_that_hold_the_pipes)
{
    auto_live live = {0};
    struct stream s;
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &plain, start_shell("setsid sleep 1000 & echo ready; exec sleep 1000"));
    stream_wait_text(&s, "ready");
    uint64_t before = wr_mono_ms();
    signal_process(&live, s.pid, "SIGNAL_SIGKILL", NULL);
    stream_wait(&s, stream_closed);
    CHECK(wr_mono_ms() - before < 2000);
    CHECK_STR(s.error, "signal: killed");
    stream_done(&s);
}

TEST(the_end_waits_for_output_of_grandchildren)
{
    auto_live live = {0};
    if (!live_start(&live))
        return;
    live_run(&live, "(sleep 0.3; echo late) & exit 4", 4, "late\n");
}

TEST(stdin_round_trip)
{
    auto_live live = {0};
    struct stream s;
    if (!live_start(&live))
        return;
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
    if (!live_start(&live))
        return;
    char *bytes = malloc(PIECE);
    CHECK(bytes != NULL);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s,s]}}", "process", "cmd", "sh", "args", "-c",
                          "echo ready; while [ ! -e go ]; do sleep 0.02; done; exec cksum"));
    stream_wait_text(&s, "ready");
    for (int i = 0; i < PIECES; i++) {
        memset(bytes, 'a' + i, PIECE);
        char *text = input_text(s.pid, bytes, PIECE);
        live_send(&live, &replies[i], "POST", "/process.Process/SendInput", headers, text,
                  strlen(text));
        live_idle(&live, 50); /* they must arrive in this order */
        free(text);
    }
    live_idle(&live, 200);
    CHECK(replies[0].done && replies[0].status == 200); /* fits into the queue */
    CHECK(!replies[1].done && !replies[PIECES - 1].done);
    live_check_rss(&live, 24 * WR_MIB);
    live_run(&live, "touch go", 0, NULL);
    for (int i = 0; i < PIECES; i++) {
        live_wait_reply(&live, &replies[i]);
        CHECK_INT(replies[i].status, 200);
        reply_done(&replies[i]);
    }
    live_expect(&live, "/process.Process/CloseStdin", json_pack("{s:{s:I}}", SELECT(s.pid)), NULL);
    stream_wait(&s, stream_closed);
    /* The same bytes in order, made by the sandbox itself. */
    CHECK(strncmp(wr_buf_cstr(&s.out), "ready\n", 6) == 0);
    live_run(&live, "for c in a b c d e f; do head -c 786432 /dev/zero | tr '\\0' $c; done | cksum",
             0, wr_buf_cstr(&s.out) + 6);
    stream_done(&s);
    free(bytes);
}

TEST(input_to_a_process_that_dies_fails)
{
    auto_live live = {0};
    struct stream s;
    struct reply reply;
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    if (!live_start(&live))
        return;
    char *bytes = calloc(1, 2 * WR_MIB);
    CHECK(bytes != NULL);
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s]}}", "process", "cmd", "sleep", "args", "1000"));
    stream_wait(&s, stream_started);
    char *text = input_text(s.pid, bytes, 2 * WR_MIB);
    live_send(&live, &reply, "POST", "/process.Process/SendInput", headers, text, strlen(text));
    live_idle(&live, 100);
    CHECK(!reply.done);
    signal_process(&live, s.pid, "SIGNAL_SIGKILL", NULL);
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
    if (!live_start(&live))
        return;
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
    signal_process(&live, s.pid, "SIGNAL_SIGINT", NULL); /* stops the job, not the shell */
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
    if (!live_start(&live))
        return;
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
    if (!live_start(&live))
        return;
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

TEST(output_without_a_reader_is_discarded)
{
    auto_live live = {0};
    struct stream s;
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &plain,
                start_shell("sleep 0.2; head -c 16777216 /dev/zero; touch finished"));
    stream_wait(&s, stream_started);
    stream_done(&s); /* the client leaves; the process goes on */
    live_run(&live, "for i in $(seq 200); do [ -e finished ] && exit 0; sleep 0.05; done; exit 1",
             0, "");
    live_check_rss(&live, 8 * WR_MIB);
}

TEST(the_deadline_kills_the_group)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts opts = {.timeout_ms = 300};
    if (!live_start(&live))
        return;
    uint64_t before = wr_mono_ms();
    stream_open(&s, &live, &opts, start_shell("sleep 1000; true"));
    stream_wait(&s, stream_closed);
    CHECK_STR(s.code, "deadline_exceeded");
    CHECK(wr_mono_ms() - before >= 290);
    live_run(&live, "sleep 0.1; ps -eo args | grep -c '[s]leep 1000'", 1, "0\n");
    CHECK_INT(list(&live, s.pid), 0);
    stream_done(&s);

    stream_open(&s, &live, &opts, start_shell("sleep 1000; true"));
    stream_wait(&s, stream_started);
    stream_done(&s); /* the deadline holds without its client as well */
    live_run(&live, "sleep 0.6; ps -eo args | grep -c '[s]leep 1000'", 1, "0\n");
}

TEST(connect_by_pid_and_tag)
{
    auto_live live = {0};
    struct stream first, second, third;
    const struct stream_opts connect = {.path = CONNECT};
    if (!live_start(&live))
        return;
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
    const struct stream_opts connect = {.path = CONNECT, .timeout_ms = 200};
    if (!live_start(&live))
        return;
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

TEST(list_carries_the_config)
{
    auto_live live = {0};
    struct stream s;
    int status = 0;
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &plain,
                json_pack("{s:{s:s,s:[s],s:{s:s},s:s}, s:s}", "process", "cmd", "sleep", "args",
                          "1000", "envs", "A", "b", "cwd", "/", "tag", "t"));
    stream_wait(&s, stream_started);
    json_t *answer = live_rpc(&live, "/process.Process/List", json_object(), &status);
    json_t *expected = json_pack("{s:[{s:{s:s,s:[s],s:{s:s},s:s}, s:I, s:s}]}", "processes",
                                 "config", "cmd", "sleep", "args", "1000", "envs", "A", "b", "cwd",
                                 "/", "pid", (json_int_t)s.pid, "tag", "t");
    CHECK(json_equal(answer, expected));
    json_decref(answer);
    json_decref(expected);
    stream_done(&s);
}

TEST(silence_is_broken_by_keepalives)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts opts = {.keepalive_s = 1};
    if (!live_start(&live))
        return;
    stream_open(&s, &live, &opts, start_shell("sleep 2.5"));
    stream_wait(&s, stream_closed);
    CHECK_INT(s.keepalives, 2);
    stream_done(&s);
}

TEST(orphans_are_reaped)
{
    auto_live live = {0};
    if (!live_start(&live))
        return;
    /* Daemonised grandchildren that end: their parent is PID 1 by then. */
    live_run(&live,
             "for i in 1 2 3 4 5; do (setsid sh -c 'exit 7' >/dev/null 2>&1 &) ; done; sleep 0.3",
             0, "");
    live_run(&live, "ps -eo stat= | grep -c Z", 1, "0\n");
}

TEST(an_idle_agent_is_small)
{
    auto_live live = {0};
    if (!live_start(&live))
        return;
    live_run(&live, "true", 0, "");
    live_run(&live, "head -c 4194304 /dev/zero | tr '\\0' x", 0, NULL);
    live_idle(&live, 1500);
    live_check_private(&live, 256 * WR_KIB);
}
