#include "template/definition.h"

#include "base/sha256.h"
#include "base/str.h"
#include "template/base_definition.h"
#include "template/full_definition.h"

#define DEFINITION_MAX     65536
/* Raised when the code that makes the trees changes in a way that the definitions do not show. */
#define DEFINITION_VERSION 2

static const struct wr_definition *const definitions[] = {&wr_base_definition, &wr_full_definition};

const struct wr_empty_dir wr_empty_dirs[] = {
    {"dev", 0755},     {"proc", 0555},          {"sys", 0555},
    {"run", 0755},     {"tmp", 01777},          {"var/tmp", 01777},
    {"var/log", 0755}, {"var/cache/apt", 0755}, {"var/lib/apt/lists", 0755},
};
const size_t wr_empty_dir_count = WR_ARRAY_SIZE(wr_empty_dirs);

/* What cannot be had fails at once, so this runs before anything else. The lines of `echo` are read
 * by build_progress.c. */
static const char fetch_start[] =
    "set -eu\n"
    "mkdir \"$1/fetch\"\n"
    "get() {\n"
    "    echo \"fetching $1\"\n"
    "    file=\"$root/fetch/${3##*/}\"\n"
    "    curl -fsSL --retry 3 --connect-timeout 30 --speed-limit 1000 --speed-time 60 -o \"$file\" \"$3\"\n"
    "    sum=sha512sum\n"
    "    [ ${#2} -ne 64 ] || sum=sha256sum\n"
    "    echo \"$2  $file\" | $sum --check --quiet\n"
    "}\n"
    "root=$1\n";

const struct wr_definition *wr_definition_at(size_t index)
{
    return index < WR_ARRAY_SIZE(definitions) ? definitions[index] : NULL;
}

const struct wr_definition *wr_definition_find(const char *name)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(definitions); i++)
        if (wr_streq(definitions[i]->name, name))
            return definitions[i];
    return NULL;
}

static bool wanted(const struct wr_download *file, const char *machine)
{
    return !file->machine || wr_streq(file->machine, machine);
}

int wr_definition_fetch_script(const struct wr_definition *d, const char *machine,
                               struct wr_buf *out)
{
    size_t total = 0, number = 0;
    for (const struct wr_download *file = d->downloads; file->url; file++)
        total += wanted(file, machine);
    int rc = wr_buf_append_str(out, fetch_start);
    for (const struct wr_download *file = d->downloads; rc == 0 && file->url; file++)
        if (wanted(file, machine))
            rc = wr_buf_printf(out, "get %zu/%zu %s '%s'\n", ++number, total, file->sum, file->url);
    return rc;
}

static int append_list(struct wr_buf *out, const char *title, const char *const *list)
{
    int rc = wr_buf_printf(out, "[%s]\n", title);
    for (; rc == 0 && list && *list; list++)
        rc = wr_buf_printf(out, "%s\n", *list);
    return rc;
}

int wr_definition_write(const struct wr_definition *d, struct wr_buf *out)
{
    int rc = wr_buf_printf(out, "warren template %s %d\nsuite %s\n", d->name, DEFINITION_VERSION,
                           d->suite ? d->suite : "-");
    if (rc == 0)
        rc = append_list(out, "sources", d->sources);
    if (rc == 0)
        rc = append_list(out, "options", d->options);
    if (rc == 0)
        rc = append_list(out, "packages", d->packages);
    for (const struct wr_download *file = d->downloads; rc == 0 && file->url; file++)
        rc = wr_buf_printf(out, "file %s %s\n", file->sum, file->url);
    for (size_t i = 0; rc == 0 && i < wr_empty_dir_count; i++)
        rc = wr_buf_printf(out, "empty %s %o\n", wr_empty_dirs[i].path, wr_empty_dirs[i].mode);
    if (rc == 0)
        rc = wr_buf_printf(out, "[customize]\n%s", d->customize);
    return rc;
}

int wr_definition_hash(const struct wr_definition *d, char out[static 65], struct wr_error *err)
{
    wr_auto_buf text = WR_BUF(DEFINITION_MAX);
    int rc = 0;
    if (d->below) {
        char below[65];
        rc = wr_definition_hash(d->below, below, err);
        if (rc < 0)
            return rc;
        rc = wr_buf_printf(&text, "on %s\n", below);
    }
    if (rc == 0)
        rc = wr_definition_write(d, &text);
    if (rc < 0)
        return wr_fail(err, WR_E_INTERNAL, -rc, "cannot write down the definition of template %s",
                       d->name);
    wr_sha256_hex(wr_buf_ptr(&text), text.len, out);
    return 0;
}
