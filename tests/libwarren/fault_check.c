/*
 * Executes code once, as an application would, and prints what came of it and whether anything of
 * the library is left: fault_check CODE [TIMEOUT_MS [RETRIES [THREADS]]]. The server comes from the
 * environment.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warren/warren.h"

#define MAX_THREADS 64

struct run {
    struct wr_primitive *primitive;
    const char *code;
    struct wr_value *result;
    struct wr_error err;
    int r;
};

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    if (!dir)
        return -1;
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

static void *execute(void *data)
{
    struct run *run = data;

    run->r = wr_execute_code(run->primitive, run->code, NULL, &run->result, &run->err);
    return NULL;
}

static struct wr_value *describe(struct run *run)
{
    struct wr_error err = {0};
    struct wr_value *out = wr_value_object();

    (void)wr_value_set(out, "code",
                       wr_value_of_string(run->r < 0 ? wr_code_name(run->err.code) : "ok"), &err);
    (void)wr_value_set(out, "class",
                       wr_value_of_string(wr_error_class_name(wr_error_classify(&run->err))), &err);
    (void)wr_value_set(out, "message", wr_value_of_string(run->err.msg), &err);
    if (run->result)
        (void)wr_value_set(out, "result", run->result, &err);
    return out;
}

static int run_all(const char *code, uint64_t timeout_ms, unsigned retries, unsigned threads,
                   struct wr_value *ret_results, struct wr_value **ret_stats)
{
    static struct run runs[MAX_THREADS];
    pthread_t ids[MAX_THREADS];
    struct wr_error err = {0};
    struct wr_client *client =
        wr_client_new(WR_OPTS(wr_client_opts, .request_timeout_ms = 3000), &err);
    const struct wr_executor_opts opts = {
        .struct_size = sizeof opts,
        .timeout_ms = timeout_ms,
        .supply_opts = WR_OPTS(wr_supply_opts, .create_timeout_ms = 3000),
    };
    struct wr_primitive *p = client ? wr_executor_new(client, &opts, &err) : NULL;

    if (retries)
        p = wr_retry_new(p, WR_OPTS(wr_retry_opts, .max_retries = retries, .delay_ms = 10), &err);
    if (!p) {
        fprintf(stderr, "%s\n", err.msg);
        wr_client_free(client);
        return 1;
    }
    for (unsigned i = 0; i < threads; i++) {
        runs[i] = (struct run){.primitive = p, .code = code};
        if (pthread_create(&ids[i], NULL, execute, &runs[i]) != 0)
            abort();
    }
    for (unsigned i = 0; i < threads; i++) {
        (void)pthread_join(ids[i], NULL);
        (void)wr_value_set(ret_results, NULL, describe(&runs[i]), &err);
    }
    *ret_stats = wr_primitive_stats(p);
    wr_primitive_free(p);
    wr_client_free(client);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t timeout_ms = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    unsigned retries = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    unsigned threads = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : 1;
    struct wr_error err = {0};
    struct wr_value *out = wr_value_object(), *results = wr_value_array(), *stats = NULL;
    int fds = entries("/proc/self/fd"), tasks = entries("/proc/self/task");

    if (argc < 2 || threads < 1 || threads > MAX_THREADS)
        return 2;
    if (run_all(argv[1], timeout_ms, retries, threads, results, &stats) != 0)
        return 1;
    (void)wr_value_set(out, "fds_left", wr_value_of_int(entries("/proc/self/fd") - fds), &err);
    (void)wr_value_set(out, "threads_left", wr_value_of_int(entries("/proc/self/task") - tasks),
                       &err);
    (void)wr_value_set(out, "results", results, &err);
    (void)wr_value_set(out, "stats", stats, &err);
    char *text = wr_value_text(out);
    puts(text ? text : "");
    wr_free(text);
    wr_value_free(out);
    return 0;
}
