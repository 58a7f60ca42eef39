#include "cli/opts.h"

#include <errno.h>

#include "base/parse.h"
#include "base/str.h"

#define LEFT_COLUMN 30 /* of help, characters */

static const struct wr_opt *find_long(const struct wr_opt_set *sets, size_t set_count,
                                      const char *name, size_t len,
                                      const struct wr_opt_set **ret_set)
{
    for (size_t s = 0; s < set_count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            const struct wr_opt *opt = &sets[s].opts[i];
            if (strlen(opt->name) == len && memcmp(opt->name, name, len) == 0) {
                *ret_set = &sets[s];
                return opt;
            }
        }
    }
    return NULL;
}

static const struct wr_opt *find_short(const struct wr_opt_set *sets, size_t set_count, char letter,
                                       const struct wr_opt_set **ret_set)
{
    for (size_t s = 0; s < set_count; s++) {
        for (size_t i = 0; i < sets[s].count; i++) {
            if (letter && sets[s].opts[i].letter == letter) {
                *ret_set = &sets[s];
                return &sets[s].opts[i];
            }
        }
    }
    return NULL;
}

/* The limits of a number as people write them. */
static void format_limit(const struct wr_opt *opt, uint64_t value, char *out, size_t cap)
{
    bool fits = true;

    switch (opt->kind) {
    case WR_OPT_SIZE:
        wr_format_size(value, out, cap);
        break;
    case WR_OPT_DURATION:
        fits = value % 3600000 == 0 && value > 0
                   ? wr_strformat(out, cap, "%lluh", (unsigned long long)value / 3600000)
               : value % 1000 == 0
                   ? wr_strformat(out, cap, "%llus", (unsigned long long)value / 1000)
                   : wr_strformat(out, cap, "%llums", (unsigned long long)value);
        break;
    case WR_OPT_CPU:
        fits = wr_strformat(out, cap, "%g", (double)value / 1000);
        break;
    case WR_OPT_U64:
    case WR_OPT_FLAG:
    case WR_OPT_STRING:
    case WR_OPT_LIST:
    case WR_OPT_CHOICE:
        fits = wr_strformat(out, cap, "%llu", (unsigned long long)value);
        break;
    }
    if (!fits)
        out[0] = '\0';
}

static int parse_number(const struct wr_opt *opt, const char *where, const char *text,
                        uint64_t *ret, struct wr_error *err)
{
    static const char *const what[] = {
        [WR_OPT_U64] = "a whole number",
        [WR_OPT_SIZE] = "a size such as 512M or 2G",
        [WR_OPT_DURATION] = "a duration such as 500ms, 30s, 10m or 2h",
        [WR_OPT_CPU] = "a number of CPUs such as 2 or 0.5",
    };
    char low[32], high[32];
    uint64_t value = 0;
    int r;

    if (opt->kind == WR_OPT_SIZE)
        r = wr_parse_size(text, &value);
    else if (opt->kind == WR_OPT_DURATION)
        r = wr_parse_duration(text, &value);
    else if (opt->kind == WR_OPT_CPU)
        r = wr_parse_cpu(text, &value);
    else
        r = wr_parse_u64(text, 0, UINT64_MAX, &value);
    if (r == -EINVAL)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: \"%.40s\" is not %s", where, text,
                       what[opt->kind]);
    if (r < 0 || ((opt->min || opt->max) && (value < opt->min || value > opt->max))) {
        format_limit(opt, opt->min, low, sizeof low);
        format_limit(opt, opt->max, high, sizeof high);
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: %.40s is out of range (from %s to %s)",
                       where, text, low, high);
    }
    *ret = value;
    return 0;
}

static int parse_flag(const char *where, const char *text, bool *ret, struct wr_error *err)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(words); i++) {
        if (wr_streq(text, words[i].word)) {
            *ret = words[i].value;
            return 0;
        }
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: \"%.40s\" is neither yes nor no", where,
                   text);
}

static int parse_choice(const struct wr_opt *opt, const char *where, const char *text,
                        uint64_t *ret, struct wr_error *err)
{
    const char *word = opt->value;

    for (uint64_t i = 0; *text; i++) {
        size_t len = strcspn(word, "|");
        if (strlen(text) == len && memcmp(text, word, len) == 0) {
            *ret = i;
            return 0;
        }
        if (!word[len])
            break;
        word += len + 1;
    }
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: \"%.40s\" is none of %s", where, text,
                   opt->value);
}

int wr_opt_store(const struct wr_opt *opt, void *values, const char *where, const char *text,
                 struct wr_error *err)
{
    char *place = (char *)values + opt->offset;

    switch (opt->kind) {
    case WR_OPT_FLAG:
        return parse_flag(where, text, (bool *)(void *)place, err);
    case WR_OPT_STRING:
        *(const char **)(void *)place = text;
        return 0;
    case WR_OPT_LIST: {
        struct wr_opt_list *list = (struct wr_opt_list *)(void *)place;
        if (list->count >= WR_OPT_MAX_LIST)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "%s: given more than %d times", where,
                           WR_OPT_MAX_LIST);
        list->items[list->count++] = text;
        return 0;
    }
    case WR_OPT_U64:
    case WR_OPT_SIZE:
    case WR_OPT_DURATION:
    case WR_OPT_CPU:
        return parse_number(opt, where, text, (uint64_t *)(void *)place, err);
    case WR_OPT_CHOICE:
        return parse_choice(opt, where, text, (uint64_t *)(void *)place, err);
    }
    return 0;
}

/* A value of the command line. */
static int store(const struct wr_opt *opt, const struct wr_opt_set *set, const char *text,
                 struct wr_error *err)
{
    char where[80];

    if (!wr_strformat(where, sizeof where, "option --%s", opt->name))
        return wr_fail(err, WR_E_INTERNAL, 0, "name of an option");
    if (set->texts)
        set->texts[opt - set->opts] = text;
    return wr_opt_store(opt, set->values, where, text, err);
}

struct cursor {
    const struct wr_opt_set *sets;
    size_t set_count;
    int argc;
    char *const *argv;
    int at;
};

/* "--name", "--name=value", "--name value". */
static int parse_long(struct cursor *c, struct wr_opt_args *args, struct wr_error *err)
{
    const char *text = c->argv[c->at] + 2;
    size_t len = strcspn(text, "=");
    const char *value = text[len] == '=' ? text + len + 1 : NULL;
    const struct wr_opt_set *set = NULL;

    if (wr_streq(text, "help")) {
        args->help = true;
        return 0;
    }
    const struct wr_opt *opt = find_long(c->sets, c->set_count, text, len, &set);
    if (!opt)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no option --%.*s; see --help", (int)len,
                       text);
    /* A setting may have to be turned off that the environment or the file turns on. */
    if (opt->kind == WR_OPT_FLAG && value && !opt->fallback)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --%s takes no value", opt->name);
    if (opt->kind != WR_OPT_FLAG && !value) {
        if (c->at + 1 >= c->argc)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option --%s needs a value (%s)",
                           opt->name, opt->value);
        value = c->argv[++c->at];
    }
    return store(opt, set, value ? value : "yes", err);
}

/* "-j", "-jt" (flags together), "-e value", "-evalue". */
static int parse_short(struct cursor *c, struct wr_opt_args *args, struct wr_error *err)
{
    for (const char *p = c->argv[c->at] + 1; *p; p++) {
        const struct wr_opt_set *set = NULL;
        const struct wr_opt *opt = find_short(c->sets, c->set_count, *p, &set);

        if (!opt && *p == 'h') {
            args->help = true;
            continue;
        }
        if (!opt)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "no option -%c; see --help", *p);
        if (opt->kind == WR_OPT_FLAG) {
            int r = store(opt, set, "yes", err);
            if (r < 0)
                return r;
            continue;
        }
        if (p[1])
            return store(opt, set, p + 1, err);
        if (c->at + 1 >= c->argc)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "option -%c needs a value (%s)", *p,
                           opt->value);
        return store(opt, set, c->argv[++c->at], err);
    }
    return 0;
}

int wr_opts_parse(const struct wr_opt_set *sets, size_t set_count, int argc, char *const *argv,
                  size_t stop_after, struct wr_opt_args *ret, struct wr_error *err)
{
    struct cursor c = {sets, set_count, argc, argv, 0};
    bool only_args = false;

    for (; c.at < argc; c.at++) {
        const char *text = argv[c.at];
        int r = 0;

        if (!only_args && ret->count < stop_after && wr_streq(text, "--")) {
            only_args = true;
            continue;
        }
        if (!only_args && ret->count < stop_after && text[0] == '-' && text[1]) {
            r = text[1] == '-' ? parse_long(&c, ret, err) : parse_short(&c, ret, err);
            if (r < 0)
                return r;
            continue;
        }
        if (ret->count >= WR_OPT_MAX_ARGS)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "more than %d arguments",
                           WR_OPT_MAX_ARGS);
        ret->items[ret->count++] = text;
    }
    return 0;
}

void wr_opts_print_help(FILE *out, const struct wr_opt *opts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct wr_opt *opt = &opts[i];
        char left[64], letter[5] = "    ";

        if (opt->hidden)
            continue;
        if (opt->letter) {
            letter[0] = '-';
            letter[1] = opt->letter;
            letter[2] = ',';
        }
        if (!wr_strformat(left, sizeof left, "%s--%s%s%s", letter, opt->name, opt->value ? " " : "",
                          opt->value ? opt->value : ""))
            left[sizeof left - 1] = '\0';
        /* What is wider than its column has a line of its own. */
        if (strlen(left) > LEFT_COLUMN)
            fprintf(out, "  %s\n  %*s %s", left, LEFT_COLUMN, "", opt->help);
        else
            fprintf(out, "  %-*s %s", LEFT_COLUMN, left, opt->help);
        if (opt->fallback && *opt->fallback && opt->kind != WR_OPT_FLAG)
            fprintf(out, " (default %s)", opt->fallback);
        fputc('\n', out);
    }
}
