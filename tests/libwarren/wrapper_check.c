/*
 * Wrappers around an executor, as an application puts them together. Reads a JSON object per line
 * and answers each with one:
 *
 *     {"executor": {"timeout_ms", "language", "ledger_path"},
 *      "wrap": [{"kind": "retry" ...}, ...]}   the innermost first; once, at the beginning -> {}
 *     {"execute": input, "threads": 1}   -> {"results": [{"result"} or {"error"}], "events": text}
 *     {"stats": true}                    -> {"stats": [of each wrapper, the innermost first]}
 *     {"clear": true}                    -> {} (of the outermost, which is a cache)
 *     {"left": true}                     -> {"fds", "threads"}: more than at the beginning, after
 *                                           everything was freed; the last one
 *
 * The server comes from the environment.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "script.h"

#define MAX_LINE     (4u * 1024 * 1024)
#define MAX_THREADS  64
#define MAX_WRAPPERS 8

static struct wr_error err;

static uint64_t number(const struct wr_value *object, const char *key)
{
    return (uint64_t)wr_value_int(object, key, 0);
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    if (!dir)
        die("opendir", &err);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

/* ---- wrappers, by name ---- */

typedef struct wr_primitive *(*wrap_fn)(struct wr_primitive *inner, const struct wr_value *opts);

static struct wr_primitive *wrap_retry(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_retry_new(inner,
                        WR_OPTS(wr_retry_opts, .max_retries = (unsigned)number(opts, "max_retries"),
                                .delay_ms = number(opts, "delay_ms"),
                                .max_delay_ms = number(opts, "max_delay_ms")),
                        &err);
}

static struct wr_primitive *wrap_timeout(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_timeout_new(inner, number(opts, "timeout_ms"), NULL, &err);
}

static struct wr_primitive *wrap_breaker(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_breaker_new(inner,
                          WR_OPTS(wr_breaker_opts,
                                  .failure_threshold = (unsigned)number(opts, "failure_threshold"),
                                  .recovery_timeout_ms = number(opts, "recovery_timeout_ms")),
                          &err);
}

static struct wr_primitive *wrap_rate(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_rate_limit_new(inner,
                             WR_OPTS(wr_rate_opts,
                                     .per_second = wr_value_double(opts, "per_second", 0),
                                     .burst = (unsigned)number(opts, "burst"),
                                     .max_wait_ms = number(opts, "max_wait_ms")),
                             &err);
}

static struct wr_primitive *wrap_budget(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_budget_new(inner,
                         WR_OPTS(wr_budget_opts,
                                 .max_sandbox_hours = wr_value_double(opts, "max_sandbox_hours", 0),
                                 .max_concurrent = (unsigned)number(opts, "max_concurrent"),
                                 .ledger_path = text_or_null(opts, "ledger_path")),
                         &err);
}

/* To a Warren of this machine that starts when it is needed. */
static struct wr_primitive *wrap_fallback(struct wr_primitive *inner, const struct wr_value *opts)
{
    struct wr_client *local =
        wr_client_new(WR_OPTS(wr_client_opts, .backend = WR_BACKEND_PRIVATE,
                              .socket_path = text_or_null(opts, "socket_path"),
                              .data_dir = text_or_null(opts, "data_dir")),
                      &err);
    if (!local)
        die("private client", &err);
    struct wr_primitive *made =
        wr_fallback_new(inner, wr_executor_new(local, NULL, &err), NULL, &err);
    wr_client_free(local);
    return made;
}

static struct wr_cache_store *make_store(const struct wr_value *opts)
{
    const char *redis = text_or_null(opts, "redis"), *sqlite = text_or_null(opts, "sqlite");
    struct wr_cache_store *store = NULL;

    if (redis)
        store = wr_cache_redis(redis, text_or_null(opts, "prefix"), &err);
    else if (sqlite)
        store = wr_cache_sqlite(sqlite, 0, &err);
    else
        store = wr_cache_memory(0, 0, &err);
    if (!store)
        die("store", &err);
    return store;
}

static struct wr_primitive *wrap_cache(struct wr_primitive *inner, const struct wr_value *opts)
{
    return wr_cache_new(inner,
                        WR_OPTS(wr_cache_opts, .store = make_store(opts),
                                .ttl_ms = number(opts, "ttl_ms"),
                                .scope = text_or_null(opts, "scope")),
                        &err);
}

static wrap_fn find_wrapper(const char *kind)
{
    static const struct {
        const char *kind;
        wrap_fn wrap;
    } wrappers[] = {{"retry", wrap_retry}, {"timeout", wrap_timeout}, {"breaker", wrap_breaker},
                    {"rate", wrap_rate},   {"budget", wrap_budget},   {"fallback", wrap_fallback},
                    {"cache", wrap_cache}};

    for (size_t i = 0; i < sizeof wrappers / sizeof *wrappers; i++)
        if (strcmp(wrappers[i].kind, kind) == 0)
            return wrappers[i].wrap;
    (void)snprintf(err.msg, sizeof err.msg, "%s", kind);
    die("no such wrapper", &err);
    return NULL;
}

/* ---- the whole ---- */

struct stack {
    struct wr_primitive *layers[1 + MAX_WRAPPERS]; /* the executor first; each is held here too */
    size_t count;
};

static void add(struct stack *stack, struct wr_primitive *layer)
{
    if (!layer)
        die("wrapper", &err);
    stack->layers[stack->count++] = layer;
}

static struct wr_primitive *top(const struct stack *stack)
{
    return stack->layers[stack->count - 1];
}

static void build(struct stack *stack, const struct wr_value *script)
{
    const struct wr_value *executor = wr_value_get(script, "executor");
    const struct wr_value *wrap = wr_value_get(script, "wrap");
    struct wr_client *client =
        wr_client_new(WR_OPTS(wr_client_opts, .request_timeout_ms = 5000), &err);

    if (!client || wr_value_count(wrap) > MAX_WRAPPERS)
        die("client", &err);
    add(stack,
        wr_executor_new(client,
                        WR_OPTS(wr_executor_opts, .timeout_ms = number(executor, "timeout_ms"),
                                .language = text_or_null(executor, "language"),
                                .ledger_path = text_or_null(executor, "ledger_path")),
                        &err));
    wr_client_free(client);
    for (size_t i = 0; i < wr_value_count(wrap); i++) {
        const struct wr_value *opts = wr_value_at(wrap, i);
        add(stack, find_wrapper(wr_value_string(opts, "kind"))(wr_primitive_ref(top(stack)), opts));
    }
}

/* ---- executions ---- */

struct run {
    struct wr_primitive *primitive;
    const struct wr_value *input;
    struct wr_workflow *workflow;
    struct wr_value *answer;
    pthread_t thread;
};

static void *execute(void *data)
{
    struct run *run = data;
    struct wr_error why = {0};
    struct wr_value *result = NULL, *failed = NULL;

    run->answer = wr_value_object();
    if (wr_primitive_execute(run->primitive, run->input, run->workflow, &result, &why) == 0) {
        set(run->answer, "result", result);
        return NULL;
    }
    failed = wr_value_object();
    set(failed, "code", wr_value_of_string(wr_code_name((enum wr_code)why.code)));
    set(failed, "message", wr_value_of_string(why.msg));
    set(failed, "retry_after_ms", wr_value_of_int(why.retry_after_ms));
    set(run->answer, "error", failed);
    return NULL;
}

struct heard {
    pthread_mutex_t lock;
    char text[4096];
};

static int on_event(const struct wr_code_event *event, void *data)
{
    struct heard *heard = data;

    (void)pthread_mutex_lock(&heard->lock);
    size_t len = strlen(heard->text);
    if (event->kind == WR_CODE_STDOUT && event->text_len < sizeof heard->text - len)
        memcpy(heard->text + len, event->text, event->text_len);
    (void)pthread_mutex_unlock(&heard->lock);
    return 0;
}

static void run_all(struct wr_primitive *primitive, const struct wr_value *command,
                    struct wr_value *answer)
{
    static struct run runs[MAX_THREADS];
    struct heard heard = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct wr_value *results = wr_value_array();
    size_t count = (size_t)wr_value_int(command, "threads", 1);
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .on_event = on_event, .on_event_data = &heard), &err);

    if (!workflow || count > MAX_THREADS)
        die("workflow", &err);
    for (size_t i = 0; i < count; i++) {
        runs[i] = (struct run){.primitive = primitive,
                               .input = wr_value_get(command, "execute"),
                               .workflow = workflow};
        if (pthread_create(&runs[i].thread, NULL, execute, &runs[i]) != 0)
            die("thread", &err);
    }
    for (size_t i = 0; i < count; i++) {
        (void)pthread_join(runs[i].thread, NULL);
        set(results, NULL, runs[i].answer);
    }
    wr_workflow_free(workflow);
    set(answer, "results", results);
    set(answer, "events", wr_value_of_string(heard.text));
}

static void obey(struct stack *stack, const struct wr_value *command, struct wr_value *answer)
{
    if (wr_value_get(command, "execute"))
        run_all(top(stack), command, answer);
    if (wr_value_get(command, "clear") && wr_cache_clear(top(stack), &err) < 0)
        die("clear", &err);
    if (wr_value_get(command, "stats")) {
        struct wr_value *all = wr_value_array();
        for (size_t i = 1; i < stack->count; i++)
            set(all, NULL, wr_primitive_stats(stack->layers[i]));
        set(answer, "stats", all);
    }
}

static void tear_down(struct stack *stack)
{
    while (stack->count > 0)
        wr_primitive_free(stack->layers[--stack->count]);
}

int main(void)
{
    int fds = entries("/proc/self/fd"), threads = entries("/proc/self/task");
    struct stack stack = {0};
    char *line = malloc(MAX_LINE);

    while (line && fgets(line, MAX_LINE, stdin)) {
        struct wr_value *command = NULL, *answer = wr_value_object();
        if (wr_value_parse(line, strlen(line), &command, &err) < 0)
            die("command", &err);
        if (stack.count == 0)
            build(&stack, command);
        obey(&stack, command, answer);
        if (wr_value_get(command, "left")) {
            tear_down(&stack);
            set(answer, "fds", wr_value_of_int(entries("/proc/self/fd") - fds));
            set(answer, "threads", wr_value_of_int(entries("/proc/self/task") - threads));
        }
        char *text = wr_value_text(answer);
        puts(text ? text : "");
        (void)fflush(stdout);
        wr_free(text);
        wr_value_free(answer);
        wr_value_free(command);
    }
    tear_down(&stack);
    free(line);
    return 0;
}
