#include <sched.h>

#include "base/error.h"
#include "json/value.h"
#include "primitives/cache/store.h"
#include "support/fake_primitive.h"
#include "support/primitive_call.h"
#include "test.h"

struct setting {
    struct fake_clock clock;
    struct fake_primitive fake;
    struct wr_primitive *cache;
};

static void set_up(struct setting *s, struct wr_cache_opts opts)
{
    struct wr_error err = {0};

    fake_clock_init(&s->clock, 1000000, false);
    opts.struct_size = sizeof opts;
    opts.clock = &s->clock.clock;
    s->fake.clock = &s->clock;
    s->cache = wr_cache_new(fake_primitive_new(&s->fake), &opts, &err);
    CHECK(s->cache);
}

static void tear_down(struct setting *s)
{
    wr_primitive_free(s->cache);
    fake_primitive_done(&s->fake);
    fake_clock_done(&s->clock);
}

#define GOOD                                                                \
    {                                                                       \
        .output = "{\"cached\":false,\"stdout\":\"4\\n\",\"success\":true}" \
    }

TEST(the_second_time_it_comes_out_of_the_store)
{
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    struct wr_error err = {0};
    struct primitive_call call;
    struct wr_workflow *workflow = wr_workflow_new(NULL, &err);
    set_up(&s, (struct wr_cache_opts){0});
    primitive_call(&call, s.cache, "{\"code\":\"2+2\"}", workflow);
    primitive_check_value(call.value, "{\"cached\":false,\"stdout\":\"4\\n\",\"success\":true}");
    primitive_call_done(&call);
    for (int i = 0; i < 2; i++) {
        primitive_call(&call, s.cache, "{\"code\":\"2+2\"}", workflow);
        primitive_check_value(call.value, "{\"cached\":true,\"stdout\":\"4\\n\",\"success\":true}");
        primitive_call_done(&call);
    }
    primitive_call_good(&call, s.cache, "{\"code\":\"3+3\"}");
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    CHECK_INT(primitive_stat(s.cache, "hits"), 2);
    CHECK_INT(primitive_stat(s.cache, "misses"), 2);
    CHECK_INT(primitive_stat(s.cache, "stores"), 2);
    CHECK_INT(primitive_stat(s.cache, "size"), 2);
    CHECK_INT(primitive_stat(s.cache, "hit_rate"), 50);
    wr_auto_value *state = wr_workflow_get(workflow, NULL);
    primitive_check_value(state, "{\"cache_hits\":2,\"cache_misses\":1}");
    wr_workflow_free(workflow);
    tear_down(&s);
}

TEST(entries_expire)
{
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    set_up(&s, (struct wr_cache_opts){0});
    CHECK_INT(primitive_call_code(s.cache), 0);
    fake_clock_advance(&s.clock, 3600000 - 1);
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    fake_clock_advance(&s.clock, 1);
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    CHECK_INT(primitive_stat(s.cache, "expirations"), 1);
    tear_down(&s);
}

TEST(failures_are_not_kept)
{
    struct setting s = {
        .fake = {FAKE_STEPS({.output = "{\"success\":false}"}, {.code = WR_E_UNAVAILABLE}, GOOD)}};
    set_up(&s, (struct wr_cache_opts){0});
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(primitive_call_code(s.cache), WR_E_UNAVAILABLE);
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 3);
    CHECK_INT(primitive_stat(s.cache, "stores"), 1);
    tear_down(&s);
}

TEST(clearing_forgets)
{
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    struct wr_error err = {0};
    set_up(&s, (struct wr_cache_opts){0});
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(wr_cache_clear(s.cache, &err), 0);
    CHECK_INT(primitive_stat(s.cache, "size"), 0);
    CHECK_INT(primitive_call_code(s.cache), 0);
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    CHECK_INT(wr_cache_clear(NULL, &err), -WR_E_INVALID_ARGUMENT);
    tear_down(&s);
}

static char *first_letter(const struct wr_value *input, struct wr_workflow *workflow, void *data)
{
    const char *code = wr_value_string(input, "code");
    CHECK(workflow && strcmp(data, "data") == 0);
    return *code ? strndup(code, 1) : NULL;
}

TEST(the_callers_key_counts)
{
    static char data[] = "data";
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    struct primitive_call call;
    set_up(&s, (struct wr_cache_opts){.key = first_letter, .key_data = data});
    primitive_call_good(&call, s.cache, "{\"code\":\"abc\"}");
    primitive_call_good(&call, s.cache, "{\"code\":\"axy\"}");
    CHECK_INT(fake_primitive_calls(&s.fake), 1);
    primitive_call_good(&call, s.cache, "{\"code\":\"b\"}");
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    /* No key: not cached, and not counted. */
    primitive_call_good(&call, s.cache, "{}");
    primitive_call_good(&call, s.cache, "{}");
    CHECK_INT(fake_primitive_calls(&s.fake), 4);
    CHECK_INT(primitive_stat(s.cache, "misses"), 2);
    tear_down(&s);
}

TEST(caches_share_a_store_only_for_what_is_the_same)
{
    struct fake_primitive fakes[4] = {
        {.name = "a", FAKE_STEPS(GOOD)},
        {.name = "a", FAKE_STEPS(GOOD)},
        {.name = "b", FAKE_STEPS(GOOD)},
        {.name = "a", FAKE_STEPS(GOOD)},
    };
    static const char *const scopes[] = {NULL, "", NULL, "v2"};
    static const unsigned calls[] = {1, 0, 1, 1};
    struct wr_error err = {0};
    struct wr_cache_store *store = wr_cache_memory(0, 0, &err);

    for (size_t i = 0; i < 4; i++) {
        struct wr_primitive *cache = wr_cache_new(
            fake_primitive_new(&fakes[i]),
            WR_OPTS(wr_cache_opts, .store = wr_cache_store_ref(store), .scope = scopes[i]), &err);
        CHECK_INT(primitive_call_code(cache), 0);
        CHECK_INT(fake_primitive_calls(&fakes[i]), calls[i]);
        wr_primitive_free(cache);
        fake_primitive_done(&fakes[i]);
    }
    wr_cache_store_free(store);
}

TEST(wrappers_between_keep_the_key)
{
    struct fake_primitive a = {FAKE_STEPS(GOOD)}, b = {FAKE_STEPS(GOOD)};
    struct wr_error err = {0};
    struct wr_cache_store *store = wr_cache_memory(0, 0, &err);
    struct wr_primitive *plain = wr_cache_new(
        fake_primitive_new(&a), WR_OPTS(wr_cache_opts, .store = wr_cache_store_ref(store)), &err);
    struct wr_primitive *wrapped =
        wr_cache_new(wr_breaker_new(wr_retry_new(fake_primitive_new(&b), NULL, &err), NULL, &err),
                     WR_OPTS(wr_cache_opts, .store = store), &err);
    CHECK_INT(primitive_call_code(plain), 0);
    CHECK_INT(primitive_call_code(wrapped), 0);
    CHECK_INT(fake_primitive_calls(&b), 0);
    wr_primitive_free(plain);
    wr_primitive_free(wrapped);
    fake_primitive_done(&a);
    fake_primitive_done(&b);
}

/* ---- several at once ---- */

#define SAME 16

TEST(concurrent_executions_with_one_key_run_once)
{
    struct setting s = {.fake = {FAKE_STEPS({.blocks = true, .output = "{\"n\":1}"})}};
    struct primitive_call calls[SAME], other;
    set_up(&s, (struct wr_cache_opts){0});
    for (size_t i = 0; i < SAME; i++)
        primitive_call_start(&calls[i], s.cache, "{\"code\":\"1\"}", NULL);
    primitive_call_start(&other, s.cache, "{\"code\":\"2\"}", NULL);
    fake_primitive_wait_running(&s.fake, 2);
    fake_primitive_open(&s.fake);
    size_t executed = 0;
    for (size_t i = 0; i < SAME; i++) {
        primitive_call_join(&calls[i]);
        CHECK_INT(calls[i].r, 0);
        CHECK_INT(wr_value_int(calls[i].value, "n", 0), 1);
        executed += !wr_value_bool(calls[i].value, "cached", false);
        primitive_call_done(&calls[i]);
    }
    CHECK_INT(executed, 1);
    primitive_call_join(&other);
    primitive_call_done(&other);
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    CHECK_INT(primitive_stat(s.cache, "misses"), 2);
    CHECK_INT(primitive_stat(s.cache, "shared") + primitive_stat(s.cache, "hits"), SAME - 1);
    tear_down(&s);
}

/* Returns when an execution in that workflow has its key: it waits now, or is about to. Should it
 * come too late for that, it leads, with the same outcome. */
static void wait_for_key(struct wr_workflow *workflow)
{
    for (;;) {
        wr_auto_value *asked = wr_workflow_get(workflow, "asked");
        struct wr_error over = {0};
        if (asked || wr_workflow_check(workflow, &over) < 0)
            return;
        sched_yield();
    }
}

static char *telling_key(const struct wr_value *input, struct wr_workflow *workflow, void *data)
{
    struct wr_error err = {0};
    (void)data;
    CHECK_INT(wr_workflow_set(workflow, "asked", wr_value_of_bool(true), &err), 0);
    return strdup(wr_value_string(input, "code"));
}

TEST(when_the_leader_is_cancelled_one_of_the_others_leads)
{
    struct setting s = {.fake = {FAKE_STEPS({.blocks = true, .output = "{\"n\":1}"})}};
    struct wr_error err = {0};
    struct primitive_call leader, waiter;
    struct wr_workflow *of_leader = wr_workflow_new(NULL, &err);
    struct wr_workflow *of_waiter = wr_workflow_new(NULL, &err);
    set_up(&s, (struct wr_cache_opts){.key = telling_key});
    primitive_call_start(&leader, s.cache, "{\"code\":\"1\"}", of_leader);
    fake_primitive_wait_running(&s.fake, 1);
    primitive_call_start(&waiter, s.cache, "{\"code\":\"1\"}", of_waiter);
    wait_for_key(of_waiter);
    wr_workflow_cancel(of_leader);
    primitive_call_join(&leader);
    CHECK_INT(leader.r, -WR_E_CANCELED);
    /* Blocks again, now in the second one's name. */
    fake_primitive_wait_running(&s.fake, 1);
    fake_primitive_open(&s.fake);
    primitive_call_join(&waiter);
    CHECK_INT(waiter.r, 0);
    primitive_call_done(&waiter);
    CHECK_INT(fake_primitive_calls(&s.fake), 2);
    wr_workflow_free(of_leader);
    wr_workflow_free(of_waiter);
    tear_down(&s);
}

/* Needs more time than there is, if there is an end of it. */
static int need_time(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                     struct wr_value **ret, struct wr_error *err)
{
    (void)self;
    (void)input;
    if (wr_workflow_wait(workflow, 0).timeout_ms == 0) {
        *ret = wr_value_of_int(2);
        return 0;
    }
    while (wr_workflow_check(workflow, err) == 0)
        sched_yield();
    return -err->code;
}

TEST(a_leader_without_time_does_not_end_the_others)
{
    static const struct wr_primitive_ops ops = {.struct_size = sizeof ops, .execute = need_time};
    struct wr_error err = {0};
    struct primitive_call leader, waiter;
    struct wr_workflow *brief = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 50), &err);
    struct wr_primitive *cache = wr_cache_new(wr_primitive_new("slow", &ops, NULL, &err),
                                              WR_OPTS(wr_cache_opts, .key = telling_key), &err);
    primitive_call_start(&leader, cache, "{\"code\":\"1\"}", brief);
    wait_for_key(brief);
    primitive_call(&waiter, cache, "{\"code\":\"1\"}", NULL);
    CHECK_INT(waiter.r, 0);
    CHECK_INT(wr_value_int(waiter.value, NULL, 0), 2);
    primitive_call_done(&waiter);
    primitive_call_join(&leader);
    /* It led, or came so late that the other one's result was there. */
    CHECK(leader.r == -WR_E_DEADLINE_EXCEEDED || leader.r == 0);
    primitive_call_done(&leader);
    wr_workflow_free(brief);
    wr_primitive_free(cache);
}

TEST(the_leaders_error_is_everybodys)
{
    struct setting s = {
        .fake = {FAKE_STEPS({.blocks = true, .code = WR_E_UNAVAILABLE, .msg = "away"})}};
    struct wr_error err = {0};
    struct primitive_call leader, waiter;
    struct wr_workflow *of_waiter = wr_workflow_new(NULL, &err);
    set_up(&s, (struct wr_cache_opts){.key = telling_key});
    primitive_call_start(&leader, s.cache, "{\"code\":\"1\"}", NULL);
    fake_primitive_wait_running(&s.fake, 1);
    primitive_call_start(&waiter, s.cache, "{\"code\":\"1\"}", of_waiter);
    wait_for_key(of_waiter);
    fake_primitive_open(&s.fake);
    primitive_call_join(&leader);
    primitive_call_join(&waiter);
    CHECK_INT(leader.r, -WR_E_UNAVAILABLE);
    CHECK_INT(waiter.r, -WR_E_UNAVAILABLE);
    CHECK_STR(waiter.err.msg, "away");
    wr_workflow_free(of_waiter);
    tear_down(&s);
}

TEST(one_who_waits_may_leave)
{
    struct setting s = {.fake = {FAKE_STEPS({.blocks = true, .output = "1"})}};
    struct wr_error err = {0};
    struct primitive_call leader, waiter;
    struct wr_workflow *of_waiter = wr_workflow_new(NULL, &err);
    set_up(&s, (struct wr_cache_opts){.key = telling_key});
    primitive_call_start(&leader, s.cache, "{\"code\":\"1\"}", NULL);
    fake_primitive_wait_running(&s.fake, 1);
    primitive_call_start(&waiter, s.cache, "{\"code\":\"1\"}", of_waiter);
    wait_for_key(of_waiter);
    wr_workflow_cancel(of_waiter);
    primitive_call_join(&waiter);
    CHECK_INT(waiter.r, -WR_E_CANCELED);
    fake_primitive_open(&s.fake);
    primitive_call_join(&leader);
    CHECK_INT(leader.r, 0);
    primitive_call_done(&leader);
    wr_workflow_free(of_waiter);
    tear_down(&s);
}

static void *hammer(void *data)
{
    static const char *const inputs[] = {"{\"code\":\"1\"}", "{\"code\":\"2\"}",
                                         "{\"code\":\"3\"}"};
    for (size_t i = 0; i < 300; i++) {
        struct primitive_call call;
        struct wr_error err = {0};
        primitive_call_good(&call, data, inputs[i % 3]);
        if (i % 50 == 0)
            CHECK_INT(wr_cache_clear(data, &err), 0);
    }
    return NULL;
}

TEST(many_threads)
{
    enum { THREADS = 4 };
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    pthread_t threads[THREADS];
    set_up(&s, (struct wr_cache_opts){0});
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, hammer, s.cache), 0);
    for (size_t i = 0; i < THREADS; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    CHECK_INT(primitive_stat(s.cache, "hits") + primitive_stat(s.cache, "misses") +
                  primitive_stat(s.cache, "shared"),
              THREADS * 300);
    CHECK_INT(primitive_stat(s.cache, "misses"), fake_primitive_calls(&s.fake));
    tear_down(&s);
}

/* ---- stores that fail ---- */

struct broken {
    const char *content; /* NULL: fails */
    int gets, puts, frees;
};

static int broken_get(void *self, const char *key, uint64_t now_ms, struct wr_cache_text *ret,
                      struct wr_error *err)
{
    struct broken *broken = self;
    (void)key;
    (void)now_ms;
    broken->gets++;
    if (!broken->content)
        return wr_fail(err, WR_E_UNAVAILABLE, 0, "the store is away");
    *ret = (struct wr_cache_text){.text = strdup(broken->content), .len = strlen(broken->content)};
    return WR_CACHE_HIT;
}

static int broken_put(void *self, const char *key, const struct wr_cache_text *value,
                      uint64_t now_ms, uint64_t ttl_ms, struct wr_error *err)
{
    struct broken *broken = self;
    (void)key;
    (void)value;
    (void)now_ms;
    (void)ttl_ms;
    broken->puts++;
    return wr_fail(err, WR_E_UNAVAILABLE, 0, "the store is away");
}

static void broken_free(void *self)
{
    ((struct broken *)self)->frees++;
}

static const struct wr_cache_store_ops broken_ops = {
    .name = "broken", .get = broken_get, .put = broken_put, .free = broken_free};

TEST(a_store_that_fails_is_a_miss)
{
    static const char *const contents[] = {NULL, "", "garbage", "{\"v\":9,\"value\":1}"};
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct broken broken = {.content = contents[i]};
        struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
        struct wr_error err = {0};
        set_up(&s,
               (struct wr_cache_opts){.store = wr_cache_store_make(&broken_ops, &broken, &err)});
        CHECK_INT(primitive_call_code(s.cache), 0);
        CHECK_INT(primitive_call_code(s.cache), 0);
        CHECK_INT(fake_primitive_calls(&s.fake), 2);
        CHECK_INT(primitive_stat(s.cache, "errors"), 4);
        CHECK_INT(primitive_stat(s.cache, "stores"), 0);
        wr_auto_value *stats = wr_primitive_stats(s.cache);
        CHECK(json_is_null(wr_value_json(wr_value_get(stats, "size"))));
        tear_down(&s);
        CHECK_INT(broken.frees, 1);
    }
}

TEST(a_store_is_consumed_also_on_failure)
{
    struct broken broken = {0};
    struct fake_primitive a = {0}, b = {0};
    struct wr_error err = {0};
    CHECK(!wr_cache_new(
        NULL, WR_OPTS(wr_cache_opts, .store = wr_cache_store_make(&broken_ops, &broken, &err)),
        &err));
    CHECK_INT(err.code, 0);
    CHECK_INT(broken.frees, 1);
    CHECK(!wr_cache_new(fake_primitive_new(&a),
                        WR_OPTS(wr_cache_opts, .ttl_ms = UINT64_MAX,
                                .store = wr_cache_store_make(&broken_ops, &broken, &err)),
                        &err));
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
    CHECK_INT(broken.frees, 2);
    CHECK(!wr_cache_new(fake_primitive_new(&b), &(struct wr_cache_opts){.ttl_ms = 1}, &err));
    fake_primitive_done(&a);
    fake_primitive_done(&b);
}

struct heard {
    char text[64];
};

static int on_event(const struct wr_code_event *event, void *data)
{
    struct heard *heard = data;
    (void)snprintf(heard->text, sizeof heard->text, "%.*s", (int)event->text_len, event->text);
    return 0;
}

TEST(listeners_hear_what_comes_out_of_the_store)
{
    struct setting s = {.fake = {FAKE_STEPS(GOOD)}};
    struct heard heard = {0};
    struct wr_error err = {0};
    struct primitive_call call;
    set_up(&s, (struct wr_cache_opts){0});
    struct wr_workflow *workflow = wr_workflow_new(
        WR_OPTS(wr_workflow_opts, .on_event = on_event, .on_event_data = &heard), &err);
    primitive_call(&call, s.cache, "{\"code\":\"1\"}", workflow);
    primitive_call_done(&call);
    CHECK_STR(heard.text, "");
    primitive_call(&call, s.cache, "{\"code\":\"1\"}", workflow);
    primitive_call_done(&call);
    CHECK_STR(heard.text, "4\n");
    wr_workflow_free(workflow);
    tear_down(&s);
}
