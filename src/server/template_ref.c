#include "server/template_ref.h"

#define NAME_SET "abcdefghijklmnopqrstuvwxyz0123456789-_"
#define ID_SET   "abcdefghijklmnopqrstuvwxyz0123456789"

static int refused(const char *text, struct wr_error *err)
{
    return wr_fail(err, WR_E_INVALID_ARGUMENT, 0,
                   "templateID: \"%.80s\" is not a template reference: [namespace/]name[:tag] of "
                   "letters, digits, '-', '_' and '.'",
                   text);
}

/* `len` bytes in lower case; false when they do not fit. */
static bool take(const char *from, size_t len, char *out, size_t cap)
{
    if (len >= cap)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = (char)(from[i] >= 'A' && from[i] <= 'Z' ? from[i] + ('a' - 'A') : from[i]);
    out[len] = '\0';
    return true;
}

int wr_template_ref_parse(const char *text, struct wr_template_ref *ret, struct wr_error *err)
{
    struct wr_template_ref ref = {0};
    const char *p = text + strspn(text, " \t\r\n"), *end = p + strlen(p);

    while (end > p && strchr(" \t\r\n", end[-1]))
        end--;
    const char *slash = memchr(p, '/', (size_t)(end - p));
    const char *name = slash ? slash + 1 : p;
    const char *colon = memchr(name, ':', (size_t)(end - name));
    const char *name_end = colon ? colon : end;

    if ((slash && !take(p, (size_t)(slash - p), ref.team, sizeof ref.team)) ||
        !take(name, (size_t)(name_end - name), ref.name, sizeof ref.name) ||
        (colon && !take(colon + 1, (size_t)(end - colon - 1), ref.tag, sizeof ref.tag)))
        return refused(text, err);
    if ((slash && !wr_str_only(ref.team, NAME_SET, 1, sizeof ref.team)) ||
        !wr_template_name_valid(ref.name) ||
        (colon && !wr_str_only(ref.tag, NAME_SET ".", 1, sizeof ref.tag)))
        return refused(text, err);
    *ret = ref;
    return 0;
}

bool wr_template_ref_is_id(const struct wr_template_ref *ref)
{
    return wr_str_only(ref->name, ID_SET, WR_TEMPLATE_ID_LEN, WR_TEMPLATE_ID_LEN);
}
