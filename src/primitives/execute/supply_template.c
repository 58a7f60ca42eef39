#include "primitives/execute/supply_template.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/options.h"
#include "base/str.h"

static int no_memory(struct wr_error *err)
{
    return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "supply of sandboxes");
}

/* ---- lists of texts ---- */

static void free_list(const char *const *list, size_t count)
{
    char **texts = (char **)(uintptr_t)list;

    for (size_t i = 0; texts && i < count; i++)
        free(texts[i]);
    free(texts);
}

/* Replaces *list by a copy. On failure it is NULL. */
static bool copy_list(const char *const **list, size_t count)
{
    const char *const *from = *list;
    char **texts = count > 0 && from ? wr_calloc(count, sizeof *texts) : NULL;
    bool copied = count == 0 || texts;

    *list = (const char *const *)(uintptr_t)texts;
    for (size_t i = 0; copied && texts && i < count; i++) {
        texts[i] = from[i] ? wr_strdup(from[i]) : NULL;
        copied = texts[i];
    }
    return copied;
}

struct list {
    const char *const **items;
    size_t *count;
};

static void lists_of(struct wr_sandbox_opts *opts, struct list ret[static 5])
{
    const struct list lists[5] = {{&opts->envs, &opts->env_count},
                                  {&opts->metadata, &opts->metadata_count},
                                  {&opts->allow_out, &opts->allow_out_count},
                                  {&opts->deny_out, &opts->deny_out_count},
                                  {&opts->volumes, &opts->volume_count}};

    memcpy(ret, lists, sizeof lists);
}

/* ---- the template ---- */

void wr_supply_template_done(struct wr_supply_template *tmpl)
{
    struct list lists[5];

    lists_of(&tmpl->opts, lists);
    for (size_t i = 0; i < WR_ARRAY_SIZE(lists); i++)
        free_list(*lists[i].items, *lists[i].count);
    free((char *)(uintptr_t)tmpl->opts.template_name);
    memset(tmpl, 0, sizeof *tmpl);
}

int wr_supply_template_init(struct wr_supply_template *ret, const struct wr_sandbox_opts *opts,
                            struct wr_error *err)
{
    struct wr_supply_template made = {0};
    struct list lists[5];

    int r = wr_options_read(opts, &made.opts, sizeof made.opts, "wr_sandbox_opts", err);
    if (r < 0)
        return r;
    made.opts.struct_size = sizeof made.opts;
    bool copied = true;
    if (made.opts.template_name) {
        made.opts.template_name = wr_strdup(made.opts.template_name);
        copied = made.opts.template_name;
    }
    lists_of(&made.opts, lists);
    for (size_t i = 0; i < WR_ARRAY_SIZE(lists); i++) {
        if (*lists[i].count > 0 && !*lists[i].items) {
            r = wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                        "wr_sandbox_opts: a list is NULL, but its count is not 0");
            *lists[i].count = 0;
        } else if (!copied) {
            *lists[i].items = NULL; /* still the caller's */
        } else {
            copied = copy_list(lists[i].items, *lists[i].count);
        }
    }
    if (r == 0 && !copied)
        r = no_memory(err);
    if (r < 0)
        wr_supply_template_done(&made);
    else
        *ret = made;
    return r;
}

static bool has_key(const struct wr_sandbox_opts *opts, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < opts->metadata_count; i++)
        if (strncmp(opts->metadata[i], key, len) == 0 && opts->metadata[i][len] == '=')
            return true;
    return false;
}

int wr_supply_template_metadata(const struct wr_supply_template *tmpl,
                                const struct wr_metadata_pair *pairs, size_t count,
                                const char *const **ret, size_t *ret_count, struct wr_error *err)
{
    const struct wr_sandbox_opts *opts = &tmpl->opts;
    size_t text_bytes = 0, used = opts->metadata_count;

    for (size_t i = 0; i < count; i++)
        text_bytes += pairs[i].value ? strlen(pairs[i].key) + strlen(pairs[i].value) + 2 : 0;
    size_t list_bytes = (opts->metadata_count + count) * sizeof(char *);
    char *block = wr_calloc(1, list_bytes + text_bytes + 1);
    if (!block)
        return no_memory(err);
    const char **list = (const char **)(void *)block;
    char *text = block + list_bytes;
    for (size_t i = 0; i < opts->metadata_count; i++)
        list[i] = opts->metadata[i];
    for (size_t i = 0; i < count; i++) {
        if (!pairs[i].value || !*pairs[i].value || has_key(opts, pairs[i].key))
            continue;
        size_t len = strlen(pairs[i].key) + strlen(pairs[i].value) + 2;
        /* Fits: the sizes were summed up above. */
        (void)!wr_strformat(text, len, "%s=%s", pairs[i].key, pairs[i].value);
        list[used++] = text;
        text += len;
    }
    *ret = list;
    *ret_count = used;
    return 0;
}
