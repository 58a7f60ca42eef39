#include "interpreter/language.h"

#include <limits.h>
#include <unistd.h>

#include "base/str.h"
#include "nest/zygote_protocol.h"

#define RUNNERS      "/.warren/runners/"
#define NAME_MAX_LEN 32
/* Without it Node aborts when a loop behind an `await` is interrupted. */
#define NODE_OPTION  "--no-force-async-hooks-checks"

const struct wr_language wr_languages[] = {
    {.name = "python",
     .what = "Python",
     .program = "python3",
     .runner = RUNNERS "python/main.py",
     .argv = {"python3", "-I", RUNNERS "python/main.py"},
     .zygote = WR_ZYGOTE_PYTHON,
     .listed = true},
    {.name = "javascript",
     .what = "Node.js",
     .program = "node",
     .runner = RUNNERS "javascript/main.js",
     .argv = {"node", NODE_OPTION, RUNNERS "javascript/main.js", "javascript"},
     .listed = true},
    {.name = "typescript",
     .what = "Node.js",
     .program = "node",
     .runner = RUNNERS "javascript/main.js",
     .argv = {"node", NODE_OPTION, RUNNERS "javascript/main.js", "typescript"}},
    {.name = "bash",
     .what = "Bash",
     .program = "bash",
     .runner = RUNNERS "bash/main.py",
     .argv = {"python3", "-I", RUNNERS "bash/main.py"}},
    {.name = "r",
     .what = "R",
     .program = "R",
     .runner = RUNNERS "r/main.py",
     .argv = {"python3", "-I", RUNNERS "r/main.py"}},
    {.name = "java",
     .what = "Java",
     .program = "java",
     .runner = RUNNERS "java/Main.java",
     /* The two packages: the inherited socket, and the environment. */
     .argv = {"java", "-XX:+UseSerialGC", "--add-opens=java.base/java.io=ALL-UNNAMED",
              "--add-opens=java.base/java.lang=ALL-UNNAMED", RUNNERS "java/Main.java"},
     .apart = true},
};
const size_t wr_language_count = WR_ARRAY_SIZE(wr_languages);

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

const struct wr_language *wr_language_find(const char *name)
{
    static const struct {
        const char *alias, *name;
    } aliases[] = {{"js", "javascript"}, {"ts", "typescript"}};
    char text[NAME_MAX_LEN + 1] = "";

    while (name && is_blank(*name))
        name++;
    size_t len = name ? strlen(name) : 0;
    while (len > 0 && is_blank(name[len - 1]))
        len--;
    if (len == 0)
        return &wr_languages[0];
    if (len > NAME_MAX_LEN)
        return NULL;
    memcpy(text, name, len);
    text[len] = '\0';
    for (size_t i = 0; i < WR_ARRAY_SIZE(aliases); i++) {
        if (wr_strcaseeq(text, aliases[i].alias))
            return wr_language_find(aliases[i].name);
    }
    for (size_t i = 0; i < wr_language_count; i++) {
        if (wr_strcaseeq(text, wr_languages[i].name))
            return &wr_languages[i];
    }
    return NULL;
}

static bool in_path(const char *program, const char *path)
{
    char file[PATH_MAX];

    for (const char *dir = path; *dir;) {
        size_t len = strcspn(dir, ":");
        if (wr_strformat(file, sizeof(file), "%.*s/%s", (int)WR_MIN(len, (size_t)PATH_MAX), dir,
                         program) &&
            access(file, X_OK) == 0)
            return true;
        dir += len + (dir[len] == ':');
    }
    return false;
}

int wr_language_check(const struct wr_language *language, const char *path, struct wr_error *err)
{
    const char *missing = NULL;

    if (!in_path(language->program, path) || access(language->runner, R_OK) != 0)
        missing = language->what;
    else if (!in_path(language->argv[0], path)) /* what its runner is written in */
        missing = language->argv[0];
    if (!missing)
        return 0;
    return wr_fail(
        err, WR_E_UNIMPLEMENTED, 0,
        "this sandbox cannot run %s: its template has no %s; use a template that has it, "
        "such as code-interpreter-full",
        language->name, missing);
}
