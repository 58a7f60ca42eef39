#include "base/alloc.h"
#include "engine/engine.h"

#define FIRST_CAPACITY 64

/* Index of the first sandbox whose id is not less than `id`. */
static size_t position_of(const struct wr_engine *engine, const char *id)
{
    size_t low = 0, high = engine->sandbox_count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strcmp(engine->sandboxes[middle]->spec.id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct wr_engine_sandbox *wr_engine_find(const struct wr_engine *engine, const char *id)
{
    const size_t i = position_of(engine, id);

    return i < engine->sandbox_count && wr_streq(engine->sandboxes[i]->spec.id, id)
               ? engine->sandboxes[i]
               : NULL;
}

size_t wr_engine_behind(const struct wr_engine *engine, const char *after)
{
    const size_t i = position_of(engine, after);

    return i < engine->sandbox_count && wr_streq(engine->sandboxes[i]->spec.id, after) ? i + 1 : i;
}

static bool make_room(struct wr_engine *engine)
{
    if (engine->sandbox_count < engine->sandbox_capacity)
        return true;
    const size_t capacity =
        engine->sandbox_capacity ? engine->sandbox_capacity * 2 : FIRST_CAPACITY;
    struct wr_engine_sandbox **larger =
        reallocarray(engine->sandboxes, capacity, sizeof(*engine->sandboxes));
    if (!larger)
        return false;
    engine->sandboxes = larger;
    engine->sandbox_capacity = capacity;
    return true;
}

struct wr_engine_sandbox *wr_engine_sandbox_new(struct wr_engine *engine, struct wr_spec *spec)
{
    struct wr_engine_sandbox *s = make_room(engine) ? wr_calloc(1, sizeof(*s)) : NULL;

    if (!s)
        return NULL;
    s->engine = engine;
    s->spec = *spec;
    *spec = (struct wr_spec){0};
    return s;
}

void wr_engine_insert(struct wr_engine_sandbox *sandbox)
{
    struct wr_engine *engine = sandbox->engine;
    const size_t i = position_of(engine, sandbox->spec.id);

    memmove(engine->sandboxes + i + 1, engine->sandboxes + i,
            (engine->sandbox_count - i) * sizeof(*engine->sandboxes));
    engine->sandboxes[i] = sandbox;
    engine->sandbox_count++;
    engine->live_count += sandbox->state != WR_SANDBOX_HIBERNATED;
    sandbox->listed = true;
}

void wr_engine_drop(struct wr_engine_sandbox *sandbox)
{
    struct wr_engine *engine = sandbox->engine;

    if (sandbox->listed) {
        const size_t i = position_of(engine, sandbox->spec.id);
        engine->sandbox_count--;
        memmove(engine->sandboxes + i, engine->sandboxes + i + 1,
                (engine->sandbox_count - i) * sizeof(*engine->sandboxes));
        engine->live_count -= sandbox->state != WR_SANDBOX_HIBERNATED;
    }
    wr_spec_done(&sandbox->spec);
    free(sandbox);
}

void wr_engine_enter(struct wr_engine_sandbox *sandbox, enum wr_sandbox_state state)
{
    if (sandbox->listed) {
        sandbox->engine->live_count -= sandbox->state != WR_SANDBOX_HIBERNATED;
        sandbox->engine->live_count += state != WR_SANDBOX_HIBERNATED;
    }
    sandbox->state = state;
}

void wr_engine_table_done(struct wr_engine *engine)
{
    while (engine->sandbox_count > 0)
        wr_engine_drop(engine->sandboxes[engine->sandbox_count - 1]);
    free(engine->sandboxes);
    engine->sandboxes = NULL;
    engine->sandbox_capacity = 0;
}
