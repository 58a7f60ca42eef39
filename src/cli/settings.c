#include "cli/settings.h"

#include <stdlib.h>

#include "base/str.h"

void wr_setting_variable(const char *name, char *out, size_t cap)
{
    if (!wr_strformat(out, cap, "WARREN_%s", name))
        return;
    for (char *p = out; *p; p++)
        *p = *p == '-' ? '_' : *p >= 'a' && *p <= 'z' ? (char)(*p - 'a' + 'A') : *p;
}

struct wr_setting_origin wr_setting_find(const struct wr_opt_set *set, size_t index,
                                         const struct wr_conf *conf)
{
    const struct wr_opt *opt = &set->opts[index];
    const struct wr_conf_entry *entry = wr_conf_find(conf, opt->name);
    char variable[80];

    wr_setting_variable(opt->name, variable, sizeof variable);
    const char *environment = getenv(variable);
    if (set->texts && set->texts[index])
        return (struct wr_setting_origin){.source = WR_FROM_OPTION, .text = set->texts[index]};
    if (environment && *environment)
        return (struct wr_setting_origin){.source = WR_FROM_ENVIRONMENT, .text = environment};
    if (entry)
        return (struct wr_setting_origin){
            .source = WR_FROM_FILE, .text = entry->value, .line = entry->line};
    return (struct wr_setting_origin){.source = WR_FROM_DEFAULT, .text = opt->fallback};
}

/* What an error text begins with. */
static bool describe(const struct wr_opt *opt, const struct wr_setting_origin *origin,
                     const struct wr_conf *conf, char *out, size_t cap)
{
    switch (origin->source) {
    case WR_FROM_OPTION:
        return wr_strformat(out, cap, "option --%s", opt->name);
    case WR_FROM_ENVIRONMENT:
        wr_setting_variable(opt->name, out, cap);
        return true;
    case WR_FROM_FILE:
        return wr_strformat(out, cap, "%.120s:%u: %s", conf->path, origin->line, opt->name);
    case WR_FROM_DEFAULT:
        return wr_strformat(out, cap, "default of %s", opt->name);
    }
    return false;
}

static int apply_one(const struct wr_opt_set *set, size_t index, const struct wr_conf *conf,
                     struct wr_error *err)
{
    const struct wr_opt *opt = &set->opts[index];
    struct wr_setting_origin origin = wr_setting_find(set, index, conf);
    char where[240];

    if (origin.source == WR_FROM_OPTION)
        return 0; /* stored when the command line was read */
    /* "Nothing" is a value where it is the default too. */
    if (*origin.text == '\0' && (opt->kind == WR_OPT_STRING || *opt->fallback == '\0'))
        return 0;
    if (!describe(opt, &origin, conf, where, sizeof where))
        return wr_fail(err, WR_E_INTERNAL, 0, "setting %s", opt->name);
    return wr_opt_store(opt, set->values, where, origin.text, err);
}

int wr_settings_apply(const struct wr_opt_set *set, const struct wr_conf *conf,
                      struct wr_error *err)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < set->count; i++)
        if (set->opts[i].fallback)
            r = apply_one(set, i, conf, err);
    return r;
}

static bool is_setting(const struct wr_opt_set *sets, size_t set_count, const char *name)
{
    for (size_t s = 0; s < set_count; s++)
        for (size_t i = 0; i < sets[s].count; i++)
            if (sets[s].opts[i].fallback && wr_streq(sets[s].opts[i].name, name))
                return true;
    return false;
}

int wr_settings_refuse_unknown(const struct wr_opt_set *sets, size_t set_count,
                               const struct wr_conf *conf, struct wr_error *err)
{
    for (size_t i = 0; i < conf->count; i++)
        if (!is_setting(sets, set_count, conf->entries[i].name))
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                           "%s:%u: there is no setting \"%.40s\"; `warren serve --check-config` "
                           "prints those that there are",
                           conf->path, conf->entries[i].line, conf->entries[i].name);
    return 0;
}

void wr_settings_print(FILE *out, const struct wr_opt_set *set, const struct wr_conf *conf)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct wr_opt *opt = &set->opts[i];
        char origin_text[240];

        if (!opt->fallback)
            continue;
        struct wr_setting_origin origin = wr_setting_find(set, i, conf);
        int width = fprintf(out, "%s = %s", opt->name, origin.text);
        if (origin.source == WR_FROM_DEFAULT)
            fprintf(out, "%*s# default\n", width < 48 ? 48 - width : 1, "");
        else if (describe(opt, &origin, conf, origin_text, sizeof origin_text))
            fprintf(out, "%*s# %s\n", width < 48 ? 48 - width : 1, "", origin_text);
    }
}
