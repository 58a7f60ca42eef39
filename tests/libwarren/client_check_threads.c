#include <pthread.h>
#include <stdio.h>

#include "client_check.h"

#define THREADS 16
#define ROUNDS  5

struct worker {
    struct wr_client *client;
    struct wr_sandbox *shared;
    int number;
    pthread_t thread;
};

static void calculate(struct wr_sandbox *sandbox, const char *context_id, int number)
{
    char code[64], wanted[32];
    struct wr_value *result = NULL;

    snprintf(code, sizeof code, "x = %d\nx * x", number);
    snprintf(wanted, sizeof wanted, "%d", number * number);
    DO(wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = code, .context_id = context_id), NULL,
                   &result, &err));
    CHECK_STR(main_text(result), wanted);
    wr_value_free(result);
}

/* Each has a context in a sandbox that all share, and every fourth a sandbox of its own. */
static void *work(void *data)
{
    struct worker *worker = data;
    struct wr_sandbox *own = worker->number % 4 == 0 ? new_sandbox(worker->client) : NULL;
    char id[WR_CONTEXT_ID_MAX], path[32], *content = NULL;
    size_t len = 0;

    DO(wr_code_context_create(worker->shared, NULL, NULL, NULL, id, &err));
    for (int i = 0; i < ROUNDS; i++) {
        int number = worker->number * ROUNDS + i;
        calculate(worker->shared, id, number);
        if (own)
            calculate(own, NULL, number);
        snprintf(path, sizeof path, "file-%d", worker->number);
        DO(wr_files_write(worker->shared, path, NULL, &number, sizeof number, NULL, &err));
        DO(wr_files_read(worker->shared, path, NULL, 0, NULL, &content, &len, &err));
        CHECK(len == sizeof number && memcmp(content, &number, len) == 0);
        wr_free(content);
    }
    DO(wr_code_context_remove(worker->shared, id, NULL, &err));
    if (own)
        end(NULL, own);
    return NULL;
}

TEST(threads_share_one_and_leave_nothing)
{
    struct worker workers[THREADS];

    /* What a first use leaves for good (a resolver's thread that ends later, say) is not looked
     * for: the second round must leave as much as the first. */
    int descriptors = 0, threads = 0;
    for (int round = 0; round < 2; round++) {
        struct wr_client *client = new_client();
        struct wr_sandbox *shared = new_sandbox(client);
        for (int i = 0; i < THREADS; i++) {
            workers[i] = (struct worker){client, shared, i, 0};
            CHECK_INT(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
        }
        for (int i = 0; i < THREADS; i++)
            CHECK_INT(pthread_join(workers[i].thread, NULL), 0);
        end(client, shared);
        if (round == 0) {
            descriptors = open_descriptors();
            threads = running_threads();
        }
    }
    CHECK_INT(open_descriptors(), descriptors);
    CHECK_INT(running_threads(), threads);
}

TEST(nothing_is_left_of_a_single_use)
{
    int descriptors = open_descriptors(), threads = running_threads();
    struct wr_client *client = new_client();
    struct wr_sandbox *sandbox = new_sandbox(client);

    wr_value_free(run_code(sandbox, "1"));
    wr_value_free(run_command(sandbox, "true"));
    end(client, sandbox);
    CHECK_INT(open_descriptors(), descriptors);
    CHECK_INT(running_threads(), threads);
}
