/* Runners against fake_runner.py, whose cells may send any frame. */
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "interpreter/frame.h"
#include "interpreter/frame_writer.h"
#include "interpreter/limits.h"
#include "interpreter/runner.h"
#include "json/jread.h"
#include "test.h"

#define WAIT_MS  20000
#define TEXT_MAX ((size_t)256 * 1024 * 1024)

static struct wr_loop *loop;
static struct wr_runner *runner;
static unsigned ready, done, renewed, gone;
static uint64_t count;
static struct wr_error why;
static struct wr_buf out, err_text, line;
static unsigned lines, bad_lines;
static size_t pause_at; /* pauses when there is as much text; 0: never */

static void on_ready(void *owner)
{
    (void)owner;
    ready++;
}

static void on_count(void *owner, uint64_t n)
{
    (void)owner;
    count = n;
}

static void on_text(void *owner, enum wr_stream stream, const char *data, size_t len)
{
    (void)owner;
    CHECK_INT(wr_buf_append(stream == WR_STREAM_STDOUT ? &out : &err_text, data, len), 0);
    if (pause_at > 0 && out.len >= pause_at)
        wr_runner_pause(runner, true);
}

static void on_line(void *owner, const struct wr_frame_piece *piece)
{
    (void)owner;
    if (piece->bad)
        bad_lines++;
    else
        CHECK_INT(wr_buf_append(&line, piece->data, piece->len), 0);
    lines += piece->last;
}

static void on_done(void *owner)
{
    (void)owner;
    done++;
}

static void on_renewed(void *owner)
{
    (void)owner;
    renewed++;
}

static void on_gone(void *owner, const struct wr_error *reason)
{
    (void)owner;
    gone++;
    why = *reason;
}

static bool step_until(const unsigned *counter, unsigned value)
{
    struct wr_error err;
    uint64_t end = wr_mono_ms() + WAIT_MS;

    while (*counter < value && wr_mono_ms() < end)
        CHECK_INT(wr_loop_step(loop, 50, &err), 0);
    return *counter >= value;
}

static void step_for(unsigned ms)
{
    struct wr_error err;
    for (uint64_t end = wr_mono_ms() + ms; wr_mono_ms() < end;)
        CHECK_INT(wr_loop_step(loop, 10, &err), 0);
}

static void start(const char *starts_with)
{
    static const struct wr_runner_ops ops = {.ready = on_ready,
                                             .count = on_count,
                                             .text = on_text,
                                             .line = on_line,
                                             .done = on_done,
                                             .renewed = on_renewed,
                                             .gone = on_gone};
    static const struct wr_language language = {.name = "fake",
                                                .argv = {"python3", "-I", FAKE_RUNNER}};
    static const struct wr_user user = {.name = "root", .home = "/"};
    wr_auto_env env = {0};
    struct wr_error err;

    NEEDS_ROOT();
    (void)signal(SIGPIPE, SIG_IGN);
    wr_buf_init(&out, TEXT_MAX);
    wr_buf_init(&err_text, TEXT_MAX);
    wr_buf_init(&line, TEXT_MAX);
    CHECK_INT(wr_loop_new(&loop, &err), 0);
    CHECK_INT(wr_env_set(&env, "PATH", WR_ENV_DEFAULT_PATH, &err), 0);
    CHECK_INT(wr_env_set(&env, "FIRST", "1", &err), 0);
    if (starts_with)
        CHECK_INT(wr_env_set(&env, "STARTS_WITH", starts_with, &err), 0);
    const struct wr_start_opts opts = {
        .loop = loop, .language = &language, .user = &user, .env = &env, .cwd = "/"};
    if (wr_runner_new(&opts, &ops, NULL, &runner, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}

static void begin(void)
{
    start(NULL);
    CHECK(step_until(&ready, 1));
    CHECK_INT(runner->state, WR_RUNNER_IDLE);
}

static void execute(const char *code, bool silent)
{
    wr_auto_buf frame = WR_BUF(1 << 20);
    struct wr_error err;

    CHECK_INT(wr_frame_execute(&frame, code, strlen(code), NULL, silent), 0);
    CHECK_INT(wr_runner_execute(runner, &frame, silent, &err), 0);
}

static void run(const char *code)
{
    unsigned before = done;
    execute(code, false);
    CHECK(step_until(&done, before + 1));
}

static const char *text_of(struct wr_buf *buf)
{
    const char *text = wr_buf_cstr(buf);
    CHECK(text != NULL);
    return text;
}

static void finish(void)
{
    runner = wr_runner_free(runner);
    loop = wr_loop_free(loop);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
}

TEST(a_cell_from_its_count_to_its_end)
{
    begin();
    run("send('o', b'out'); send('e', b'err'); send('L', b'{\"type\":\"result\"}')");
    CHECK_INT(count, 1);
    CHECK_STR(text_of(&out), "out");
    CHECK_STR(text_of(&err_text), "err");
    CHECK_STR(text_of(&line), "{\"type\":\"result\"}");
    run("pass");
    CHECK_INT(count, 2);
    finish();
}

TEST(pipes_are_read_to_the_end_of_the_cell)
{
    begin();
    for (int i = 0; i < 50; i++) {
        wr_buf_clear(&out);
        run("os.write(1, b'x' * 60000); os.write(2, b'y')");
        CHECK_INT(out.len, 60000);
    }
    CHECK_INT(err_text.len, 50);
    finish();
}

TEST(what_comes_between_cells_is_dropped)
{
    begin();
    run("import threading\n"
        "def late():\n"
        "    import time; time.sleep(0.1)\n"
        "    os.write(1, b'late'); send('o', b'late'); send('L', b'{\"type\":\"result\"}')\n"
        "threading.Thread(target=late).start()");
    step_for(300);
    run("send('o', b'now')");
    CHECK_STR(text_of(&out), "now");
    CHECK_INT(lines, 0);
    finish();
}

TEST(a_silent_cell_is_silent)
{
    begin();
    execute("send('o', b'x'); os.write(1, b'y')", true);
    CHECK(step_until(&done, 1));
    CHECK_INT(count, 0);
    CHECK_INT(out.len, 0);
    finish();
}

static void breaks(const char *code, const char *reason)
{
    begin();
    execute(code, false);
    CHECK(step_until(&gone, 1));
    CHECK(strstr(why.msg, reason) != NULL);
    finish();
}

TEST(an_unknown_frame_ends_it)
{
    breaks("send('?')", "no frame of the kind");
}

TEST(a_frame_that_is_too_large_ends_it)
{
    breaks("send('o', b'x' * 70000)", "over the limit");
}

TEST(a_second_count_ends_it)
{
    breaks("send('C', b'{\"execution_count\": 9}')", "out of order");
}

TEST(ready_in_a_cell_ends_it)
{
    breaks("send('R', b'{\"pid\": 1}')", "out of order");
}

TEST(a_count_that_is_none_ends_it)
{
    begin();
    wr_runner_interrupt(runner); /* of no cell: nothing happens */
    execute("send('D'); send('C', b'[]')", false);
    CHECK(step_until(&gone, 1));
    finish();
}

TEST(the_process_of_ready_has_to_be_the_one_that_was_started)
{
    start("send('R', b'{\"pid\": 1}')");
    CHECK(step_until(&gone, 1));
    CHECK_INT(ready, 0);
    finish();
}

TEST(a_start_that_fails_says_why)
{
    start("sys.stderr.write('no such luck'); sys.exit(3)");
    CHECK(step_until(&gone, 1));
    CHECK(strstr(why.msg, "no such luck") != NULL);
    finish();
}

TEST(death_in_a_cell)
{
    begin();
    execute("send('o', b'last words'); os.write(1, b'!'); os._exit(1)", false);
    CHECK(step_until(&gone, 1));
    CHECK_INT(why.code, 0);
    CHECK_STR(text_of(&out), "last words!");
    finish();
}

TEST(death_is_seen_although_a_child_holds_the_socket)
{
    begin();
    execute("if os.fork() == 0:\n"
            "    os.setsid(); import time; time.sleep(6); os._exit(0)\n"
            "os._exit(1)",
            false);
    while (waitpid(runner->pid, NULL, WNOHANG) == 0) /* what PID 1 does */
        step_for(10);
    CHECK(step_until(&gone, 1));
    finish();
}

TEST(an_interrupt_comes_after_the_begin)
{
    begin();
    run("signal.signal(signal.SIGINT, signal.default_int_handler)");
    /* Short sleeps: a signal that comes right before one is seen after it. */
    execute("import time\nwhile True: time.sleep(0.02)", false);
    /* Before COUNT was read: between two cells the signal would end the fake. */
    wr_runner_interrupt(runner);
    CHECK_INT(runner->interrupt, true);
    CHECK(step_until(&done, 2));
    CHECK_INT(runner->interrupt, false);
    CHECK_STR(text_of(&err_text), "interrupted");
    finish();
}

TEST(an_interrupt_goes_to_the_whole_group)
{
    begin();
    run("signal.signal(signal.SIGINT, signal.default_int_handler)");
    execute("import subprocess\nsend('o', b'.')\nsubprocess.run(['sleep', '60'])", false);
    for (uint64_t end = wr_mono_ms() + WAIT_MS; out.len == 0 && wr_mono_ms() < end;)
        step_for(5);
    wr_runner_interrupt(runner);
    CHECK(step_until(&done, 2));
    finish(); /* waits for all children */
}

TEST(the_end_is_waited_for)
{
    begin();
    execute("import time; time.sleep(60)", false);
    pid_t pid = runner->pid;
    wr_runner_end(runner);
    wr_runner_end(runner);
    step_for(100);
    CHECK_INT(gone, 0); /* not reaped yet: this is no PID 1 */
    CHECK_INT(waitpid(pid, NULL, 0), pid);
    CHECK(step_until(&gone, 1));
    finish();
}

TEST(the_end_before_it_is_ready)
{
    start("import time; time.sleep(60)");
    step_for(30);
    wr_runner_end(runner);
    CHECK(step_until(&gone, 1));
    finish();
}

TEST(assignment_replaces_the_environment)
{
    wr_auto_env env = {0};
    struct wr_error err;

    begin();
    CHECK_INT(wr_env_set(&env, "SECOND", "2", &err), 0);
    CHECK_INT(wr_runner_assign(runner, &env, 0, &err), 0);
    CHECK(step_until(&ready, 2));
    run("send('o', repr(sorted(os.environ)).encode())");
    CHECK_STR(text_of(&out), "['SECOND']");
    finish();
}

TEST(a_paused_runner_waits)
{
    begin();
    pause_at = 1000000;
    execute("for i in range(1000): send('o', b'z' * 50000)", false);
    step_for(500);
    CHECK(out.len < pause_at + 2 * WR_RUNNER_READ);
    CHECK_INT(done, 0);
    pause_at = 0;
    wr_runner_pause(runner, false);
    CHECK(step_until(&done, 1));
    CHECK_INT(out.len, 50000000);
    finish();
}

TEST(a_large_line_is_not_mixed_with_text)
{
    begin();
    run("import subprocess\n"
        "child = subprocess.Popen(['/bin/sh', '-c', 'while :; do echo noise; done'], stdout=1)\n"
        "send('L', b'{\"type\":\"result\",\"text\":\"' + b'a' * 20000000 + b'\"}')\n"
        "child.kill()\n");
    CHECK_INT(line.len, 20000000 + 27);
    CHECK_INT(lines, 1);
    CHECK_INT(bad_lines, 0);
    finish();
}

TEST(a_line_that_is_none_is_told)
{
    begin();
    run("send('L', b'{\"type\":\"result\",\"text\":\"\\n\"}')");
    CHECK_INT(bad_lines, 1);
    CHECK_INT(line.len, 0);
    finish();
}

static void renew(const char *name, const char *value)
{
    wr_auto_json *env = json_pack("{s:s}", name, value);
    struct wr_error err;
    CHECK_INT(wr_runner_renew(runner, env, &err), 0);
}

TEST(an_idle_runner_is_renewed)
{
    begin();
    renew("MINE", "1");
    CHECK(step_until(&renewed, 1));
    CHECK_INT(runner->state, WR_RUNNER_IDLE);
    run("send('o', f'{os.environ[\"FIRST\"]} {os.environ[\"MINE\"]} {signals}'.encode())");
    CHECK_STR(text_of(&out), "1 1 1");
    finish();
}

TEST(a_cell_goes_on_while_its_runner_is_renewed)
{
    begin();
    /* It ends by the signal only; the frame is read afterwards. */
    execute("import time\nwhile not signals: time.sleep(0.01)\n"
            "send('o', repr('MINE' in os.environ).encode())",
            false);
    for (uint64_t end = wr_mono_ms() + WAIT_MS; count == 0 && wr_mono_ms() < end;)
        step_for(5);
    renew("MINE", "1");
    CHECK(step_until(&done, 1));
    CHECK_STR(text_of(&out), "False");
    /* The next cell begins before the answer was read. */
    wr_buf_clear(&out);
    run("send('o', os.environ['MINE'].encode())");
    CHECK_STR(text_of(&out), "1");
    CHECK_INT(renewed, 1);
    CHECK_INT(runner->renew_open, 0);
    finish();
}

TEST(a_runner_that_starts_is_renewed)
{
    start(NULL);
    renew("MINE", "1");
    CHECK(step_until(&ready, 1));
    CHECK(step_until(&renewed, 1));
    run("send('o', os.environ['MINE'].encode())");
    CHECK_STR(text_of(&out), "1");
    finish();
}

TEST(two_renewals_are_told_once)
{
    begin();
    renew("MINE", "1");
    renew("MINE", "2");
    CHECK(step_until(&renewed, 1));
    CHECK_INT(runner->renew_open, 0);
    run("send('o', os.environ['MINE'].encode())");
    CHECK_STR(text_of(&out), "2");
    CHECK_INT(renewed, 1);
    finish();
}

TEST(renewed_without_a_reason_ends_it)
{
    breaks("send('n')", "out of order");
}

TEST(one_that_ends_is_not_renewed)
{
    struct wr_error err;

    begin();
    wr_runner_end(runner);
    CHECK_INT(wr_runner_renew(runner, NULL, &err), 0);
    CHECK_INT(runner->renew_open, 0);
    finish();
}
