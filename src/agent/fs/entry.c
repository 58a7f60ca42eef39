#include "agent/fs/entry.h"

#include <limits.h>

#include "agent/fs/file_mode.h"
#include "agent/fs/metadata.h"
#include "agent/fs/path.h"
#include "base/alloc.h"
#include "base/str.h"
#include "rpc/timestamp.h"

static const char *type_name(mode_t mode)
{
    if (S_ISREG(mode))
        return "FILE_TYPE_FILE";
    if (S_ISDIR(mode))
        return "FILE_TYPE_DIRECTORY";
    return S_ISLNK(mode) ? "FILE_TYPE_SYMLINK" : NULL;
}

static void write_times(struct wr_jw *w, const struct stat *st)
{
    char text[WR_TIMESTAMP_LEN];

    if (wr_timestamp_format(st->st_mtim.tv_sec, (uint32_t)st->st_mtim.tv_nsec, text))
        wr_jw_kstr(w, "modifiedTime", text);
}

/* The number as a string: 64 bits are more than JSON's numbers hold everywhere. */
static void write_size(struct wr_jw *w, off_t size)
{
    char text[24];

    if (size != 0 && wr_strformat(text, sizeof(text), "%lld", (long long)size))
        wr_jw_kstr(w, "size", text);
}

void wr_entry_write(struct wr_jw *w, const char *path, const char *shown, const struct stat *st,
                    struct wr_id_names *names)
{
    char permissions[WR_FILE_MODE_LEN], target[PATH_MAX];
    struct stat target_st = *st;
    size_t name_len = 0;
    bool is_link = S_ISLNK(st->st_mode);
    bool known = true;
    const char *name = wr_path_base(shown, &name_len);

    if (is_link) {
        if (!realpath(path, target))
            (void)!wr_strcopy(target, sizeof(target), path); /* as it is when it leads nowhere */
        known = stat(target, &target_st) == 0;
    }
    wr_file_mode_text(st->st_mode, permissions);
    wr_jw_object(w);
    wr_jw_key(w, "name");
    wr_jw_strn(w, name, name_len);
    if (known)
        wr_jw_kstr(w, "type", type_name(target_st.st_mode));
    wr_jw_kstr(w, "path", shown);
    write_size(w, st->st_size);
    if (known && (target_st.st_mode & 0777) != 0)
        wr_jw_ku64(w, "mode", target_st.st_mode & 0777);
    wr_jw_kstr(w, "permissions", permissions);
    wr_jw_kstr(w, "owner", wr_id_names_user(names, st->st_uid));
    wr_jw_kstr(w, "group", wr_id_names_group(names, st->st_gid));
    write_times(w, st);
    if (is_link)
        wr_jw_kstr(w, "symlinkTarget", target);
    else
        wr_metadata_write_at(path, w);
    wr_jw_end(w);
}
