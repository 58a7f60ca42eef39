#include "cli/language.h"

#include "base/str.h"

static const struct wr_language languages[] = {
    /* Unbuffered: output appears when it is written, not when a pipe's buffer is full. */
    {"python", "python3", "program.py", "PYTHONUNBUFFERED=1"},
    {"js", "node", "program.js", NULL},
    {"sh", "bash", "program.sh", NULL},
};

static const struct {
    const char *text;
    size_t language;
} extensions[] = {{".py", 0}, {".js", 1}, {".mjs", 1}, {".cjs", 1}, {".sh", 2}, {".bash", 2}};

static const struct {
    const char *text;
    size_t language;
} names[] = {{"python", 0},     {"python3", 0}, {"py", 0}, {"js", 1},
             {"javascript", 1}, {"node", 1},    {"sh", 2}, {"bash", 2}};

int wr_language_choose(const char *name, const char *file, const struct wr_language **ret,
                       struct wr_error *err)
{
    for (size_t i = 0; name && i < WR_ARRAY_SIZE(names); i++) {
        if (wr_strcaseeq(name, names[i].text)) {
            *ret = &languages[names[i].language];
            return 0;
        }
    }
    if (name)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --lang: \"%.40s\" is not one of python, js, sh", name);
    for (size_t i = 0; i < WR_ARRAY_SIZE(extensions); i++) {
        if (wr_ends_with(file, extensions[i].text)) {
            *ret = &languages[extensions[i].language];
            return 0;
        }
    }
    if (wr_streq(file, "-"))
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "a program from standard input needs --lang python, js or sh");
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "%.80s: the language is not known by its extension (.py, .js, .mjs, .sh, "
                   ".bash); give --lang python, js or sh",
                   file);
}
