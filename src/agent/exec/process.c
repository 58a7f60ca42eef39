#include "agent/exec/process.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "agent/exec/limits.h"
#include "agent/exec/subscriber.h"
#include "base/alloc.h"
#include "base/fd.h"
#include "base/str.h"

void wr_process_table_init(struct wr_process_table *table, struct wr_loop *loop,
                           struct wr_agent_log *log)
{
    *table = (struct wr_process_table){.loop = loop, .log = log};
    wr_list_init(&table->running);
    wr_list_init(&table->ended);
    wr_buf_init(&table->message, WR_EXEC_MESSAGE_MAX);
    wr_buf_init(&table->chunk, WR_EXEC_CHUNK);
}

static void release_streams(struct wr_process *process)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(process->out); i++) {
        wr_output_close(&process->out[i]);
        wr_agent_log_source_flush(process->table->log, &process->out[i].lines);
    }
    wr_input_done(&process->input);
}

static void free_process(struct wr_process *process)
{
    struct wr_process_table *table = process->table;

    wr_subscribers_abort(process);
    release_streams(process);
    wr_timer_stop(&process->timer);
    wr_list_remove(&process->link);
    if (process->ended) {
        table->ended_count--;
    } else {
        table->running_count--;
    }
    json_decref(process->config);
    free(process->tag);
    free(process);
}

void wr_process_table_done(struct wr_process_table *table)
{
    wr_list_foreach(it, &table->running)
        free_process(wr_list_entry(it, struct wr_process, link));
    wr_list_foreach(it, &table->ended)
        free_process(wr_list_entry(it, struct wr_process, link));
    wr_timer_stop(&table->rest);
    wr_buf_done(&table->message);
    wr_buf_done(&table->chunk);
}

static void on_oblivion(struct wr_timer *timer, void *data)
{
    (void)timer;
    free_process(data);
}

/* Gives back what the last process needed, so that an idle agent stays small. */
static void on_rest(struct wr_timer *timer, void *data)
{
    struct wr_process_table *table = data;
    (void)timer;
    if (table->running_count > 0)
        return;
    wr_buf_done(&table->message);
    wr_buf_done(&table->chunk);
    malloc_trim(0);
}

static void end_process(struct wr_process *process)
{
    struct wr_process_table *table = process->table;
    struct wr_error err;

    process->ended = true;
    release_streams(process);
    wr_subscribers_end(process);
    json_decref(process->config);
    process->config = NULL;
    wr_list_remove(&process->link);
    table->running_count--;
    wr_list_append(&table->ended, &process->link);
    table->ended_count++;
    if (table->ended_count > WR_EXEC_MAX_EXITED)
        free_process(wr_list_entry(table->ended.next, struct wr_process, link));
    if (wr_timer_start(table->loop, &process->timer, WR_EXEC_LINGER_MS, on_oblivion, process,
                       &err) < 0)
        free_process(process);
    if (table->running_count == 0)
        (void)!wr_timer_start(table->loop, &table->rest, WR_EXEC_REST_MS, on_rest, table, &err);
}

static bool streams_closed(const struct wr_process *process)
{
    return process->out[0].fd < 0 && process->out[1].fd < 0;
}

static void check_end(struct wr_process *process)
{
    if (!process->reaped || process->ended)
        return;
    if (process->end_at_exit) {
        /* What it wrote before it died still belongs to it; grandchildren that hold the pipe are
         * not waited for. */
        for (size_t i = 0; i < WR_ARRAY_SIZE(process->out); i++)
            wr_output_drain(&process->out[i]);
    } else if (!streams_closed(process)) {
        return;
    }
    end_process(process);
}

static void on_output(struct wr_output *output, const char *data, size_t len, void *owner)
{
    struct wr_process *process = owner;
    if (output->stream != WR_STREAM_PTY) /* a terminal's bytes are screen control, not lines */
        wr_agent_log_bytes(process->table->log, &output->lines, data, len);
    wr_subscribers_data(process, output->stream, data, len);
}

static void on_output_end(struct wr_output *output, void *owner)
{
    (void)output;
    check_end(owner);
}

static const struct wr_output_ops output_ops = {.on_data = on_output, .on_end = on_output_end};

void wr_process_table_reaped(struct wr_process_table *table, pid_t pid,
                             const struct wr_exit *status)
{
    wr_list_foreach(it, &table->running) {
        struct wr_process *process = wr_list_entry(it, struct wr_process, link);
        if (process->pid == pid && !process->reaped) {
            process->reaped = true;
            process->exit = *status;
            check_end(process);
            return;
        }
    }
}

static void kill_group(const struct wr_process *process, int signo)
{
    /* It leads its group for life (a session leader cannot leave). Once reaped, the number may
     * belong to somebody else. */
    if (!process->reaped)
        (void)kill(-process->pid, signo);
}

static void on_deadline(struct wr_timer *timer, void *data)
{
    struct wr_process *process = data;
    (void)timer;
    kill_group(process, SIGKILL);
    process->end_at_exit = true;
    wr_subscribers_deadline(process);
    check_end(process);
}

int wr_process_signal(struct wr_process *process, int signo, struct wr_error *err)
{
    /* On a terminal an interrupt is for the job in the foreground, which the shell has put into a
     * group of its own. */
    if (signo == SIGINT && process->is_pty && process->out[0].fd >= 0) {
        if (ioctl(process->out[0].fd, TIOCSIG, SIGINT) < 0)
            return wr_fail_errno(err, WR_E_INTERNAL, "interrupt process %d", process->pid);
        return 0;
    }
    kill_group(process, signo);
    if (signo == SIGKILL || signo == SIGTERM) {
        process->end_at_exit = true;
        check_end(process);
    }
    return 0;
}

void wr_process_update_flow(struct wr_process *process)
{
    if (process->ended)
        return;
    for (size_t i = 0; i < WR_ARRAY_SIZE(process->out); i++)
        wr_output_pause(&process->out[i], process->blocked_count > 0);
}

static void close_pair(int (*fds)[2])
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(*fds); i++)
        (void)wr_close((*fds)[i]);
}

/* Takes the descriptors that it could open out of `fds`. */
static int open_streams(struct wr_process *process, const struct wr_process_opts *opts, int *fds,
                        struct wr_error *err)
{
    const enum wr_stream streams[] = {opts->is_pty ? WR_STREAM_PTY : WR_STREAM_STDOUT,
                                      WR_STREAM_STDERR};

    for (size_t i = 0; i < WR_ARRAY_SIZE(process->out); i++) {
        struct wr_output *output = &process->out[i];
        if (fds[i] < 0)
            continue;
        wr_agent_log_source_init(&output->lines, streams[i], opts->pid);
        int rc = wr_output_open(output, process->table->loop, fds[i], streams[i], err);
        if (rc < 0)
            return rc;
        (void)wr_steal_fd(&fds[i]);
    }
    return 0;
}

int wr_process_new(struct wr_process_table *table, const struct wr_process_opts *opts,
                   struct wr_process **ret, struct wr_error *err)
{
    wr_auto_close int input_fd = opts->input_fd;
    WR_CLEANUP(close_pair) int fds[2] = {opts->out_fds[0], opts->out_fds[1]};
    struct wr_process *process = wr_calloc(1, sizeof(*process));
    wr_auto_free char *tag = opts->tag ? wr_strdup(opts->tag) : NULL;

    if (!process || (opts->tag && !tag)) {
        free(process);
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0, "no memory for a process");
    }
    process->table = table;
    process->serial = ++table->last_serial;
    process->pid = opts->pid;
    process->is_pty = opts->is_pty;
    process->tag = wr_steal_ptr(&tag);
    process->config = json_incref(opts->config);
    wr_list_init(&process->subscribers);
    for (size_t i = 0; i < WR_ARRAY_SIZE(process->out); i++) {
        process->out[i] = (struct wr_output){
            .fd = -1, .ops = &output_ops, .owner = process, .scratch = &table->chunk};
    }
    wr_input_init(&process->input, table->loop, wr_steal_fd(&input_fd),
                  &table->input_waiting_bytes);
    wr_list_append(&table->running, &process->link);
    table->running_count++;

    int rc = open_streams(process, opts, fds, err);
    if (rc == 0 && opts->timeout_ms > 0) {
        rc = wr_timer_start(table->loop, &process->timer, opts->timeout_ms, on_deadline, process,
                            err);
    }
    if (rc < 0) {
        free_process(process);
        return rc;
    }
    *ret = process;
    return 0;
}

static struct wr_process *find(const struct wr_list *list, uint32_t pid, const char *tag)
{
    /* From the newest: the same tag may be used again. */
    for (struct wr_list *it = list->prev; it != list; it = it->prev) {
        struct wr_process *process = wr_list_entry(it, struct wr_process, link);
        if (tag ? process->tag && wr_streq(process->tag, tag) : process->pid == (pid_t)pid)
            return process;
    }
    return NULL;
}

struct wr_process *wr_process_by_pid(struct wr_process_table *table, uint32_t pid, bool with_ended)
{
    struct wr_process *process = find(&table->running, pid, NULL);
    return process || !with_ended ? process : find(&table->ended, pid, NULL);
}

struct wr_process *wr_process_by_tag(struct wr_process_table *table, const char *tag,
                                     bool with_ended)
{
    struct wr_process *process = find(&table->running, 0, tag);
    return process || !with_ended ? process : find(&table->ended, 0, tag);
}

struct wr_process *wr_process_by_serial(struct wr_process_table *table, uint64_t serial)
{
    wr_list_foreach(it, &table->running) {
        struct wr_process *process = wr_list_entry(it, struct wr_process, link);
        if (process->serial == serial)
            return process;
    }
    return NULL;
}
