/*
 * What the primitives take, beside the same cell without them: primitives-bench ROUNDS, with the
 * server in WARREN_SOCKET. Prints {series: [microseconds]}.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "warren/warren.h"

#define WARM_UP  5
#define CODE     "print(1)"
#define PAUSE_NS 20000000 /* between two rounds, so that pools on both sides are full */

struct series {
    const char *name;
    struct wr_primitive *(*make)(struct wr_client *client, struct wr_error *err);
};

static struct wr_primitive *executor(struct wr_client *client, enum wr_executor_mode mode,
                                     struct wr_error *err)
{
    return wr_executor_new(client, WR_OPTS(wr_executor_opts, .mode = mode), err);
}

static struct wr_primitive *ephemeral(struct wr_client *client, struct wr_error *err)
{
    return executor(client, WR_EPHEMERAL, err);
}

static struct wr_primitive *session(struct wr_client *client, struct wr_error *err)
{
    return executor(client, WR_SESSION, err);
}

static struct wr_primitive *pooled(struct wr_client *client, struct wr_error *err)
{
    return executor(client, WR_POOLED, err);
}

static struct wr_primitive *wrapped(struct wr_client *client, struct wr_error *err)
{
    return wr_breaker_new(
        wr_timeout_new(wr_retry_new(session(client, err), NULL, err), 60000, NULL, err), NULL, err);
}

static struct wr_primitive *cached(struct wr_client *client, struct wr_error *err)
{
    return wr_cache_new(session(client, err), NULL, err);
}

static const struct series all[] = {
    {"primitive_ephemeral", ephemeral}, {"primitive_session", session},
    {"primitive_pooled", pooled},       {"primitive_wrapped", wrapped},
    {"primitive_cached", cached},
};

/* One value of a JSON list; negative: a round that does not count. */
static void print_value(int round, uint64_t us)
{
    if (round >= 0)
        printf("%s%llu", round > 0 ? "," : "", (unsigned long long)us);
    (void)nanosleep(&(struct timespec){.tv_nsec = PAUSE_NS}, NULL);
}

static int measure(const struct series *series, struct wr_client *client, int rounds,
                   struct wr_error *err)
{
    struct wr_primitive *p = series->make(client, err);
    int r = p ? 0 : -err->code;

    printf("\"%s\":[", series->name);
    for (int i = -WARM_UP; i < rounds && r == 0; i++) {
        struct wr_value *result = NULL;
        uint64_t start = wr_mono_us();
        r = wr_execute_code(p, CODE, NULL, &result, err);
        uint64_t taken = wr_mono_us() - start;
        wr_value_free(result);
        print_value(i, taken);
    }
    printf("],");
    wr_primitive_free(p);
    return r;
}

/* The same cell in a living context without any primitive. */
static int measure_plain(struct wr_client *client, int rounds, struct wr_error *err)
{
    struct wr_sandbox *sandbox = NULL;
    int r = wr_sandbox_create(client, NULL, NULL, &sandbox, err);

    printf("\"primitive_none\":[");
    for (int i = -WARM_UP; i < rounds && r == 0; i++) {
        struct wr_value *result = NULL;
        uint64_t start = wr_mono_us();
        r = wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = CODE), NULL, &result, err);
        uint64_t taken = wr_mono_us() - start;
        wr_value_free(result);
        print_value(i, taken);
    }
    printf("]");
    if (sandbox && wr_sandbox_kill(sandbox, NULL, err) < 0)
        r = -err->code;
    wr_sandbox_free(sandbox);
    return r;
}

int main(int argc, char **argv)
{
    struct wr_error err = {0};
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 100;
    struct wr_client *client = wr_client_new(NULL, &err);
    int r = client ? 0 : -err.code;

    printf("{");
    for (size_t i = 0; i < WR_ARRAY_SIZE(all) && r == 0; i++)
        r = measure(&all[i], client, rounds, &err);
    if (r == 0)
        r = measure_plain(client, rounds, &err);
    printf("}\n");
    wr_client_free(client);
    if (r < 0)
        fprintf(stderr, "%s\n", err.msg);
    return r < 0;
}
