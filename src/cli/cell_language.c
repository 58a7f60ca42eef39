#include "cli/cell_language.h"

#include "base/str.h"

enum { PYTHON, JAVASCRIPT, TYPESCRIPT, BASH, R, JAVA };

static const struct wr_cell_language languages[] = {
    [PYTHON] = {"python", "python3", "Python 3", "#", ">>> "},
    [JAVASCRIPT] = {"javascript", "javascript", "JavaScript", "//", "> "},
    [TYPESCRIPT] = {"typescript", "typescript", "TypeScript", "//", "> "},
    [BASH] = {"bash", "bash", "Bash", "#", "$ "},
    [R] = {"r", "ir", "R", "#", "> "},
    [JAVA] = {"java", "java", "Java", "//", "java> "},
};

/* Of --lang, and of the kernels that people have. */
static const struct {
    const char *name;
    size_t language;
} names[] = {
    {"python", PYTHON},
    {"python3", PYTHON},
    {"py", PYTHON},
    {"ipython", PYTHON},
    {"xpython", PYTHON},
    {"javascript", JAVASCRIPT},
    {"js", JAVASCRIPT},
    {"node", JAVASCRIPT},
    {"nodejs", JAVASCRIPT},
    {"jslab", JAVASCRIPT},
    {"typescript", TYPESCRIPT},
    {"ts", TYPESCRIPT},
    {"tslab", TYPESCRIPT},
    {"deno", TYPESCRIPT},
    {"bash", BASH},
    {"sh", BASH},
    {"shell", BASH},
    {"r", R},
    {"ir", R},
    {"java", JAVA},
    {"ijava", JAVA},
    {"jshell", JAVA},
};

static const struct {
    const char *extension;
    size_t language;
} extensions[] = {
    {".py", PYTHON},
    {".ipy", PYTHON},
    {".js", JAVASCRIPT},
    {".mjs", JAVASCRIPT},
    {".cjs", JAVASCRIPT},
    {".sh", BASH},
    {".bash", BASH},
    {".ts", TYPESCRIPT},
    {".r", R},
    {".R", R},
    {".java", JAVA},
    {".jsh", JAVA},
};

const struct wr_cell_language *wr_cell_language_find(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(names); i++)
        if (wr_strcaseeq(name, names[i].name))
            return &languages[names[i].language];
    return NULL;
}

const struct wr_cell_language *wr_cell_language_of_file(const char *file)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(extensions); i++)
        if (wr_ends_with(file, extensions[i].extension))
            return &languages[extensions[i].language];
    return NULL;
}

int wr_cell_language_choose(const char *name, const struct wr_cell_language **ret,
                            struct wr_error *err)
{
    const struct wr_cell_language *found = wr_cell_language_find(name);

    if (!found)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                       "option --lang: \"%.40s\" is not one of python, javascript, typescript, "
                       "bash, r, java",
                       name);
    *ret = found;
    return 0;
}
