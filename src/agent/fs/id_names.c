#include "agent/fs/id_names.h"

#include "base/str.h"

static void load(struct wr_id_table *table, const char *path, size_t fields)
{
    wr_buf_init(&table->file, WR_USER_FILE_MAX);
    table->fields = fields;
    /* Without a readable file the numbers are all there is. */
    (void)!wr_user_read_file(path, &table->file);
}

static const char *lookup(struct wr_id_table *table, uint32_t id)
{
    for (size_t i = 0; i < WR_ARRAY_SIZE(table->cache); i++) {
        if (table->cache[i].text[0] != '\0' && table->cache[i].id == id)
            return table->cache[i].text;
    }
    struct wr_id_name *slot = &table->cache[table->next];
    table->next = (table->next + 1) % WR_ARRAY_SIZE(table->cache);
    slot->id = id;
    if (!wr_user_name_of(wr_buf_ptr(&table->file), table->file.len, table->fields, id, slot->text))
        (void)!wr_strformat(slot->text, sizeof(slot->text), "%u", id); /* ten digits at most */
    return slot->text;
}

static void load_all(struct wr_id_names *names)
{
    if (names->loaded)
        return;
    names->loaded = true;
    load(&names->users, "/etc/passwd", WR_USER_PASSWD_FIELDS);
    load(&names->groups, "/etc/group", WR_USER_GROUP_FIELDS);
}

const char *wr_id_names_user(struct wr_id_names *names, uid_t uid)
{
    load_all(names);
    return lookup(&names->users, uid);
}

const char *wr_id_names_group(struct wr_id_names *names, gid_t gid)
{
    load_all(names);
    return lookup(&names->groups, gid);
}

void wr_id_names_done(struct wr_id_names *names)
{
    wr_buf_done(&names->users.file);
    wr_buf_done(&names->groups.file);
    *names = (struct wr_id_names){0};
}
