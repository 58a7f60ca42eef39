/* process.Process against a running agent: starting, ending, what is listed. */
#include <unistd.h>

#include "agent/exec/limits.h"
#include "base/clock.h"
#include "live.h"
#include "test.h"

static const struct stream_opts plain = {0};

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
    live_start(&live);
    live_run(&live, "echo hi", 0, "hi\n");
    live_run(&live, "exit 3", 3, "");
    live_run(&live, "id -u; id -g; id -G", 0, "1000\n1000\n1000 2000\n");
    live_run(&live, "pwd; umask; echo $HOME $USER $LOGNAME $GLOBAL", 0,
             "/mnt/home\n0022\n/mnt/home user user from the sandbox\n");
    live_run(&live, "ulimit -c >/dev/null; read x; echo $?", 0, "1\n"); /* stdin is /dev/null */
    live_run(&live, "ls /proc/self/fd | wc -l", 0, "4\n");              /* 0 1 2 and ls's own */
    live_run(&live, "sleep 0.2; cat /proc/self/oom_score_adj", 0, WR_EXEC_OOM_SCORE_ADJ "\n");
    live_run(&live, "grep -E 'Sig(Blk|Ign)' /proc/self/status", 0,
             "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST(stdout_and_stderr_are_apart)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
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
    live_start(&live);
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
    const struct stream_opts connect = {.path = LIVE_CONNECT};
    const char *bad = "invalid_argument";
    live_start(&live);
    expect_refused(&live, &plain, json_object(), bad, "process");
    expect_refused(&live, &plain, start_cmd(""), bad, "cmd");
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
    expect_refused(&live, &nobody, start_cmd("true"), "unauthenticated",
                   "invalid username: 'nobody-here'");
    expect_refused(&live, &garbled, start_cmd("true"), "unauthenticated", "Authorization");
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
    stream_open(&s, live, &plain, start_cmd(cmd));
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
    live_start(&live);
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
    live_start(&live);
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        stream_open(&s, &live, &plain, start_shell("echo ready; exec sleep 1000"));
        stream_wait_text(&s, "ready");
        CHECK_INT(list(&live, s.pid), 1);
        live_signal(&live, s.pid, cases[i].name, NULL);
        stream_wait(&s, stream_closed);
        CHECK_INT(s.exit_code, -1);
        CHECK(!s.exited);
        CHECK_STR(s.error, cases[i].error);
        CHECK_INT(list(&live, s.pid), 0);
        live_signal(&live, s.pid, cases[i].name, "not_found");
        stream_done(&s);
    }
    stream_open(&s, &live, &plain, start_shell("exec sleep 1000"));
    stream_wait(&s, stream_started);
    live_signal(&live, s.pid, "SIGNAL_UNSPECIFIED", "unimplemented");
    live_signal(&live, s.pid, "SIGNAL_SIGHUP", "unimplemented");
    live_expect(&live, "/process.Process/SendSignal",
                json_pack("{s:{s:I}, s:i}", SELECT(s.pid), "signal", 9), NULL);
    stream_wait(&s, stream_closed);
    stream_done(&s);
}

TEST(sigint_reaches_the_whole_group_and_may_be_handled)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                start_shell("trap 'echo got it; exit 5' INT; echo ready; sleep 1000; exit 6"));
    stream_wait_text(&s, "ready");
    live_idle(&live, 50);
    live_signal(&live, s.pid, "SIGNAL_SIGINT", NULL);
    stream_wait(&s, stream_closed);
    CHECK_INT(s.exit_code, 5);
    CHECK_STR(wr_buf_cstr(&s.out), "ready\ngot it\n");
    stream_done(&s);
}

TEST(a_kill_does_not_wait_for_grandchildren_that_hold_the_pipes)
{
    auto_live live = {0};
    struct stream s;
    live_start(&live);
    stream_open(&s, &live, &plain,
                start_shell("setsid sh -c 'echo ready; exec sleep 1000' & exec sleep 1000"));
    stream_wait_text(&s, "ready");
    uint64_t before = wr_mono_ms();
    live_signal(&live, s.pid, "SIGNAL_SIGKILL", NULL);
    stream_wait(&s, stream_closed);
    CHECK(wr_mono_ms() - before < 20000);
    CHECK_STR(s.error, "signal: killed");
    stream_done(&s);
}

TEST(the_end_waits_for_output_of_grandchildren)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "(sleep 0.3; echo late) & exit 4", 4, "late\n");
}

TEST(the_deadline_kills_the_group)
{
    auto_live live = {0};
    struct stream s;
    const struct stream_opts opts = {.timeout_ms = 300};
    live_start(&live);
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

TEST(list_carries_the_config)
{
    auto_live live = {0};
    struct stream s;
    int status = 0;
    live_start(&live);
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

TEST(orphans_are_reaped)
{
    auto_live live = {0};
    live_start(&live);
    /* Daemonised grandchildren that end: their parent is PID 1 by then. */
    live_run(&live,
             "for i in 1 2 3 4 5; do (setsid sh -c 'exit 7' >/dev/null 2>&1 &) ; done; sleep 0.3",
             0, "");
    live_run(&live, "ps -eo stat= | grep -c Z", 1, "0\n");
}

TEST(an_idle_agent_is_small)
{
    auto_live live = {0};
    live_start(&live);
    live_run(&live, "true", 0, "");
    live_run(&live, "head -c 4194304 /dev/zero | tr '\\0' x", 0, NULL);
    live_idle(&live, 1500);
    live_check_private(&live, 256 * WR_KIB);
}
