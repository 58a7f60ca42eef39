#include "primitives/core/primitive.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/options.h"
#include "base/sha256.h"
#include "base/str.h"
#include "primitives/core/workflow.h"

#define NAME_MAX_LEN 64

struct wr_primitive {
    atomic_uint refs;
    char name[NAME_MAX_LEN];
    char span[NAME_MAX_LEN + sizeof "primitive."];
    char scope[WR_PRIMITIVE_SCOPE_MAX];
    const struct wr_primitive_ops *ops; /* borrowed: says what kind it is */
    struct wr_primitive_ops calls;      /* as far as this version knows them */
    void *self;
};

struct wr_primitive *wr_primitive_make(const struct wr_primitive_spec *spec, struct wr_error *err)
{
    wr_auto_free struct wr_primitive *primitive = wr_calloc(1, sizeof *primitive);

    if (!primitive) {
        (void)wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "primitive");
        return NULL;
    }
    atomic_init(&primitive->refs, 1);
    primitive->ops = spec->ops;
    primitive->self = spec->self;
    if (wr_options_read(spec->ops, &primitive->calls, sizeof primitive->calls, "wr_primitive_ops",
                        err) < 0)
        return NULL;
    if (!primitive->calls.execute) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a primitive needs an execute function");
        return NULL;
    }
    if (!spec->name || !*spec->name ||
        !wr_strcopy(primitive->name, sizeof primitive->name, spec->name)) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a primitive's name has 1 to %d bytes",
                      NAME_MAX_LEN - 1);
        return NULL;
    }
    /* Both fit: the name was checked, and spans are names of ours. */
    if (!wr_strformat(primitive->span, sizeof primitive->span, "%s%s",
                      spec->span ? spec->span : "primitive.", spec->span ? "" : primitive->name)) {
        (void)wr_fail(err, WR_E_INTERNAL, 0, "the name of a span is too long");
        return NULL;
    }
    if (!wr_strcopy(primitive->scope, sizeof primitive->scope,
                    spec->scope ? spec->scope : primitive->name)) {
        (void)wr_fail(err, WR_E_INTERNAL, 0, "the scope of a primitive is too long");
        return NULL;
    }
    return wr_steal_ptr(&primitive);
}

struct wr_primitive *wr_primitive_new(const char *name, const struct wr_primitive_ops *ops,
                                      void *self, struct wr_error *err)
{
    if (!ops) {
        (void)wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a primitive needs its functions");
        return NULL;
    }
    return wr_primitive_make(&(struct wr_primitive_spec){.name = name, .ops = ops, .self = self},
                             err);
}

struct wr_primitive *wr_primitive_ref(struct wr_primitive *primitive)
{
    if (primitive)
        atomic_fetch_add(&primitive->refs, 1);
    return primitive;
}

struct wr_primitive *wr_primitive_free(struct wr_primitive *primitive)
{
    if (!primitive || atomic_fetch_sub(&primitive->refs, 1) != 1)
        return NULL;
    if (primitive->calls.free)
        primitive->calls.free(primitive->self);
    free(primitive);
    return NULL;
}

void wr_primitive_free_ptr(struct wr_primitive **primitive)
{
    *primitive = wr_primitive_free(*primitive);
}

const char *wr_primitive_name(const struct wr_primitive *primitive)
{
    return primitive->name;
}

void *wr_primitive_self(const struct wr_primitive *primitive, const struct wr_primitive_ops *ops)
{
    return primitive && primitive->ops == ops ? primitive->self : NULL;
}

const char *wr_primitive_scope(const struct wr_primitive *primitive)
{
    return primitive->scope;
}

void wr_primitive_scope_of(const char *what, struct wr_primitive *const *inner, size_t count,
                           char ret[static WR_PRIMITIVE_SCOPE_MAX])
{
    struct wr_sha256 hash;
    unsigned char digest[WR_SHA256_LEN];

    wr_sha256_init(&hash);
    /* With their NULs: no two lists of texts have the same bytes. */
    wr_sha256_update(&hash, what, strlen(what) + 1);
    for (size_t i = 0; i < count; i++)
        wr_sha256_update(&hash, inner[i]->scope, strlen(inner[i]->scope) + 1);
    wr_sha256_final(&hash, digest);
    wr_hex_encode(digest, sizeof digest, ret);
}

struct wr_value *wr_primitive_stats(struct wr_primitive *primitive)
{
    struct wr_value *stats =
        primitive->calls.stats ? primitive->calls.stats(primitive->self) : NULL;

    return stats ? stats : wr_value_object();
}

int wr_primitive_execute(struct wr_primitive *primitive, const struct wr_value *input,
                         struct wr_workflow *workflow, struct wr_value **ret, struct wr_error *err)
{
    wr_auto_workflow *own = NULL;
    wr_auto_workflow *scope = NULL;

    if (!primitive || !input)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s is missing",
                       primitive ? "the input" : "the primitive");
    if (!workflow) {
        own = wr_workflow_new(NULL, err);
        workflow = own;
    }
    /* A scope of its own: spans of concurrent executions in one workflow must not mix. */
    scope = workflow ? wr_workflow_scope(workflow, NULL, err) : NULL;
    if (!scope)
        return -err->code;
    struct wr_span *span = wr_span_begin(scope, primitive->span);
    wr_span_set_string(span, "primitive.name", primitive->name);
    int r = wr_workflow_check(scope, err);
    if (r == 0)
        r = primitive->calls.execute(primitive->self, input, scope, ret, err);
    wr_span_set_string(span, "primitive.status", r == 0 ? "success" : "error");
    wr_span_end(span, r < 0 ? err : NULL);
    return r;
}
