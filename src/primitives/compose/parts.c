#include "primitives/compose/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "warren/telemetry.h"

#define NAME_SIZE 96 /* of spans, attributes and checkpoints: fixed words and a number */

void wr_parts_done(struct wr_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        wr_primitive_free(parts->items[i]);
    free(parts->items);
    *parts = (struct wr_parts){0};
}

static int check(struct wr_primitive *const *items, size_t count, const char *what,
                 struct wr_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!items[i])
            return -1;
    if (count == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s of nothing", what);
    if (count > WR_PARTS_MAX)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s of %zu parts; %d is the most", what,
                       count, WR_PARTS_MAX);
    return 0;
}

int wr_parts_take(struct wr_primitive *const *items, size_t count, const char *what,
                  struct wr_parts *ret, struct wr_error *err)
{
    struct wr_parts parts = {0};

    int r = check(items, count, what, err);
    if (r == 0) {
        parts.items = wr_calloc(count, sizeof *parts.items);
        if (!parts.items)
            r = wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "%s", what);
    }
    for (size_t i = 0; i < count; i++) {
        if (r == 0)
            parts.items[parts.count++] = items[i];
        else
            wr_primitive_free(items[i]);
    }
    if (r == 0)
        *ret = parts;
    return r;
}

/* The name of an attribute: "<prefix>.<word>". */
static const char *attribute(char name[static NAME_SIZE], const char *prefix, const char *word)
{
    (void)snprintf(name, NAME_SIZE, "%s.%s", prefix, word);
    return name;
}

static void checkpoint(const struct wr_part_run *run, struct wr_workflow *workflow,
                       const char *word)
{
    char name[NAME_SIZE];

    (void)snprintf(name, sizeof name, "%s%zu.%s", run->span, run->index, word);
    wr_workflow_checkpoint(workflow, name);
}

int wr_part_execute(const struct wr_part_run *run, const struct wr_value *input,
                    struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
{
    const char *type = wr_primitive_name(run->primitive);
    char name[NAME_SIZE];

    checkpoint(run, workflow, "start");
    (void)snprintf(name, sizeof name, "%s%zu", run->span, run->index);
    struct wr_span *span = wr_span_begin(workflow, name);
    wr_span_set_string(span, attribute(name, run->prefix, "name"), type);
    wr_span_set_string(span, attribute(name, run->prefix, "primitive_type"), type);
    wr_span_set_int(span, attribute(name, run->prefix, "index"), (int64_t)run->index);
    (void)snprintf(name, sizeof name, "%s.total_%ss", run->prefix, run->prefix);
    wr_span_set_int(span, name, (int64_t)run->total);
    int r = wr_primitive_execute(run->primitive, input, workflow, ret, err);
    wr_span_set_string(span, attribute(name, run->prefix, "status"), r == 0 ? "success" : "error");
    if (r < 0)
        wr_span_set_string(span, attribute(name, run->prefix, "error"), err->msg);
    wr_span_end(span, r < 0 ? err : NULL);
    checkpoint(run, workflow, "end");
    return r;
}
