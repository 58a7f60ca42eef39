#include "primitives/execute/supply_scope.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "base/sha256.h"
#include "warren/sandbox.h"

static void add_text(struct wr_sha256 *hash, const char *text)
{
    /* With its NUL: no two lists of texts have the same bytes. NULL is told from "". */
    wr_sha256_update(hash, text ? "+" : "-", 1);
    wr_sha256_update(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static void add_number(struct wr_sha256 *hash, uint64_t number)
{
    char text[24];

    (void)snprintf(text, sizeof text, "%" PRIu64, number);
    add_text(hash, text);
}

static void add_list(struct wr_sha256 *hash, const char *const *items, size_t count)
{
    add_number(hash, count);
    for (size_t i = 0; i < count; i++)
        add_text(hash, items[i]);
}

void wr_supply_scope_write(const struct wr_supply_scope *scope,
                           char ret[static WR_PRIMITIVE_SCOPE_MAX])
{
    const struct wr_sandbox_opts *sandbox = scope->sandbox;
    unsigned char digest[WR_SHA256_LEN];
    struct wr_sha256 hash;

    wr_sha256_init(&hash);
    add_text(&hash, scope->kind);
    add_text(&hash, scope->backend);
    add_text(&hash, scope->setup);
    add_text(&hash, sandbox->template_name);
    add_list(&hash, sandbox->envs, sandbox->env_count);
    add_number(&hash, sandbox->no_internet);
    add_list(&hash, sandbox->allow_out, sandbox->allow_out_count);
    add_list(&hash, sandbox->deny_out, sandbox->deny_out_count);
    add_list(&hash, sandbox->volumes, sandbox->volume_count);
    add_number(&hash, sandbox->memory_bytes);
    add_number(&hash, sandbox->cpu_millis);
    wr_sha256_final(&hash, digest);
    wr_hex_encode(digest, sizeof digest, ret);
}
