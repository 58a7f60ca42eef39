#include "base/alloc.h"
#include "engine/engine.h"

struct wr_engine_sandbox *wr_engine_find(struct wr_engine *engine, const char *id)
{
    wr_list_foreach(it, &engine->sandboxes) {
        struct wr_engine_sandbox *s = wr_list_entry(it, struct wr_engine_sandbox, link);
        if (wr_streq(s->spec.id, id))
            return s;
    }
    return NULL;
}

struct wr_engine_sandbox *wr_engine_sandbox_new(struct wr_engine *engine, struct wr_spec *spec)
{
    struct wr_engine_sandbox *s = wr_calloc(1, sizeof(*s));

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
    struct wr_list *before = &engine->sandboxes;

    wr_list_foreach(it, &engine->sandboxes) {
        if (strcmp(wr_list_entry(it, struct wr_engine_sandbox, link)->spec.id, sandbox->spec.id) >
            0) {
            before = it;
            break;
        }
    }
    wr_list_append(before, &sandbox->link); /* appending to a node puts it before that node */
    engine->sandbox_count++;
}

void wr_engine_drop(struct wr_engine_sandbox *sandbox)
{
    if (wr_list_linked(&sandbox->link))
        sandbox->engine->sandbox_count--;
    wr_list_remove(&sandbox->link);
    wr_spec_done(&sandbox->spec);
    free(sandbox);
}
