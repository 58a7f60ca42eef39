#include "cli/blank_pools.h"

#include "base/parse.h"
#include "base/str.h"

static bool is_known(const struct wr_server_config *config, const char *name)
{
    for (size_t i = 0; i < config->blank_pool_count; i++)
        if (wr_streq(config->blank_pools[i].template_name, name))
            return true;
    return false;
}

/* One "template=count". */
static int add(const char *item, struct wr_server_config *config, struct wr_error *err)
{
    struct wr_blank_pool_config pool = {.count = 0};
    size_t len = strcspn(item, "=");
    uint64_t count = 0;

    if (item[len] != '=' || len >= sizeof pool.template_name ||
        wr_parse_u64(item + len + 1, 0, WR_BLANKS_PER_POOL, &count) < 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "blanks: \"%.80s\" is not TEMPLATE=N with N up to %d", item,
                       WR_BLANKS_PER_POOL);
    memcpy(pool.template_name, item, len);
    pool.count = (uint32_t)count;
    if (!wr_template_name_valid(pool.template_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "blanks: \"%.64s\" is not the name of a template", pool.template_name);
    if (is_known(config, pool.template_name))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "blanks: template %s comes twice",
                       pool.template_name);
    if (config->blank_pool_count == WR_MAX_BLANK_POOLS)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "blanks: more than %d templates",
                       WR_MAX_BLANK_POOLS);
    config->blank_pools[config->blank_pool_count++] = pool;
    return 0;
}

int wr_blank_pools_parse(const char *text, struct wr_server_config *config, struct wr_error *err)
{
    int r = 0;

    if (!text || wr_streq(text, "off"))
        return 0;
    while (r == 0 && *text) {
        char item[96];
        size_t len = strcspn(text, ","), start = strspn(text, " ");
        size_t end = len;
        while (end > start && text[end - 1] == ' ')
            end--;
        size_t size = start < end ? end - start : 0;
        if (size >= sizeof item)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "blanks: \"%.80s\" is too long", text);
        memcpy(item, text + start, size);
        item[size] = '\0';
        r = add(item, config, err);
        text += len + (text[len] == ',');
    }
    return r;
}
