/*
 * A private server on demand: demand_check SOCKET DATA_DIR. Threads run code at once, so that one
 * of them has to start the server; then a line is waited for (the test ends the server meanwhile),
 * and code is run again with the same client.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "warren/warren.h"

#define THREADS 4

struct job {
    struct wr_client *client;
    struct wr_error err;
    int r;
};

static void *run(void *data)
{
    struct job *job = data;
    struct wr_sandbox *sandbox = NULL;
    struct wr_value *result = NULL;

    job->r = wr_sandbox_create(job->client, NULL, NULL, &sandbox, &job->err);
    if (job->r == 0)
        job->r = wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = "print(6 * 7)"), NULL, &result,
                             &job->err);
    if (job->r == 0 && strcmp(wr_value_string(result, "stdout"), "42\n") != 0)
        abort();
    wr_value_free(result);
    if (job->r == 0)
        job->r = wr_sandbox_kill(sandbox, NULL, &job->err);
    wr_sandbox_free(sandbox);
    return NULL;
}

static int run_all(struct wr_client *client)
{
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    int failed = 0;

    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.client = client};
        if (pthread_create(&threads[i], NULL, run, &jobs[i]) != 0)
            abort();
    }
    for (int i = 0; i < THREADS; i++) {
        (void)pthread_join(threads[i], NULL);
        if (jobs[i].r < 0)
            fprintf(stderr, "%s: %s\n", wr_code_name((enum wr_code)jobs[i].err.code),
                    jobs[i].err.msg);
        failed |= jobs[i].r < 0;
    }
    return failed;
}

int main(int argc, char **argv)
{
    struct wr_error err = {0};
    char line[8];

    if (argc != 3)
        return 2;
    struct wr_client *client = wr_client_new(WR_OPTS(wr_client_opts, .backend = WR_BACKEND_PRIVATE,
                                                     .socket_path = argv[1], .data_dir = argv[2]),
                                             &err);
    if (!client) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    int failed = run_all(client);
    printf("ready\n");
    (void)fflush(stdout);
    if (!failed && fgets(line, sizeof line, stdin))
        failed = run_all(client);
    wr_client_free(client);
    return failed;
}
