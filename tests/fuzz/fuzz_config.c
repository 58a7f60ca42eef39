/* A configuration file: names are clean and unique, and every text lies inside the file's copy. */
#include "base/str.h"
#include "cli/conf.h"
#include "fuzz.h"

static bool inside(const struct wr_conf *conf, const char *text)
{
    const char *start = wr_buf_ptr(&conf->text);

    return text >= start && strlen(text) <= (size_t)(start + conf->text.len - text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wr_conf conf = {0};
    struct wr_error err = {0};
    int r = wr_conf_parse(&conf, "file", data, size, &err);

    HOLDS(r == 0 || (r == -err.code && strncmp(err.msg, "file", 4) == 0));
    HOLDS(conf.count <= WR_CONF_MAX_ENTRIES);
    for (size_t i = 0; r == 0 && i < conf.count; i++) {
        const struct wr_conf_entry *entry = &conf.entries[i];
        HOLDS(inside(&conf, entry->name) && inside(&conf, entry->value) && entry->name[0]);
        HOLDS(wr_conf_find(&conf, entry->name) == entry);
        HOLDS(i == 0 || entry->line > conf.entries[i - 1].line);
        HOLDS(!strchr(entry->value, '\n'));
    }
    wr_conf_done(&conf);
    return 0;
}
