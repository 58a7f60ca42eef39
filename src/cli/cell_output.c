#include "cli/cell_output.h"

#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define QUIET_MS 2000 /* before the line appears */
#define TICK_MS  1000

static void on_drain(struct wr_sink *sink, void *data)
{
    struct wr_cell_output *output = data;

    (void)sink;
    if (output->running)
        wr_execution_pause(output->running, false);
}

void wr_cell_output_init(struct wr_cell_output *output, struct wr_loop *loop,
                         void (*on_broken)(void *data), void *data)
{
    *output = (struct wr_cell_output){
        .loop = loop, .terminal = isatty(STDERR_FILENO) == 1, .on_broken = on_broken, .data = data};
    wr_sink_init(&output->out, loop, STDOUT_FILENO, on_drain, output);
    wr_sink_init(&output->err, loop, STDERR_FILENO, on_drain, output);
}

static void erase(struct wr_cell_output *output)
{
    if (output->drawn)
        (void)wr_sink_write(&output->err, "\r\033[K", 4);
    output->drawn = false;
}

static void on_tick(struct wr_timer *timer, void *data);

static void arm(struct wr_cell_output *output)
{
    struct wr_error ignored = {0};

    /* Without a timer there is no line; nothing else is lost. */
    if (output->terminal && output->what)
        (void)!wr_timer_start(output->loop, &output->tick, TICK_MS, on_tick, output, &ignored);
}

static void on_tick(struct wr_timer *timer, void *data)
{
    struct wr_cell_output *output = data;
    uint64_t now = wr_mono_ms();
    char line[120];

    (void)timer;
    if (!output->open_line && now - output->last_ms >= QUIET_MS &&
        wr_strformat(line, sizeof line, "\r\033[K%.80s running for %llu s", output->what,
                     (unsigned long long)((now - output->began_ms) / 1000))) {
        (void)wr_sink_write(&output->err, line, strlen(line));
        output->drawn = true;
    }
    arm(output);
}

void wr_cell_output_watch(struct wr_cell_output *output, const char *what)
{
    erase(output);
    wr_timer_stop(&output->tick);
    output->what = what;
    output->began_ms = output->last_ms = wr_mono_ms();
    if (!what)
        output->running = NULL;
    arm(output);
}

void wr_cell_output_write(struct wr_cell_output *output, bool to_err, const char *bytes, size_t len)
{
    struct wr_sink *sink = to_err ? &output->err : &output->out;

    if (len == 0)
        return;
    erase(output);
    output->open_line = bytes[len - 1] != '\n' ? sink : NULL;
    output->last_ms = wr_mono_ms();
    if (!wr_sink_write(sink, bytes, len) && output->running)
        wr_execution_pause(output->running, true);
    if (sink->broken && output->on_broken)
        output->on_broken(output->data);
}

void wr_cell_output_end_line(struct wr_cell_output *output)
{
    if (output->open_line)
        wr_cell_output_write(output, output->open_line == &output->err, "\n", 1);
}

void wr_cell_output_done(struct wr_cell_output *output, bool discard)
{
    erase(output);
    wr_timer_stop(&output->tick);
    output->running = NULL;
    if (!discard) {
        wr_sink_flush(&output->out);
        wr_sink_flush(&output->err);
    }
    wr_sink_done(&output->out);
    wr_sink_done(&output->err);
}
