#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_INPUT (32u * 1024 * 1024)

void die(const char *what, const struct wr_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, wr_code_name((enum wr_code)err->code), err->msg);
    exit(1);
}

void set(struct wr_value *object, const char *key, struct wr_value *member)
{
    struct wr_error err = {0};

    if (wr_value_set(object, key, member, &err) < 0)
        die("result", &err);
}

const char *text_or_null(const struct wr_value *object, const char *key)
{
    const char *text = wr_value_string(object, key);

    return *text ? text : NULL;
}

struct wr_value *read_script(void)
{
    struct wr_error err = {0};
    char *text = malloc(MAX_INPUT);
    struct wr_value *script = NULL;
    size_t len = text ? fread(text, 1, MAX_INPUT, stdin) : 0;

    if (wr_value_parse(text, len, &script, &err) < 0)
        die("script", &err);
    free(text);
    return script;
}
