/* volumeMounts of a creation: what is accepted is bounded, absolute, clean and apart; what is not
 * has a text. */
#include <fcntl.h>
#include <jansson.h>

#include "base/file.h"
#include "base/str.h"
#include "fuzz.h"
#include "json/jread.h"
#include "server/volume_mounts.h"

static char dir[] = "/tmp/wr-fuzz-XXXXXX";
static struct wr_store *store;
static struct wr_team team;

static void remove_store(void)
{
    store = wr_store_free(store);
    HOLDS(wr_remove_tree(AT_FDCWD, dir) == 0);
}

/* With one volume, "a". */
static void open_store(void)
{
    struct wr_store_volume volume = {.name = "a", .size_bytes = 1};
    struct wr_error err = {0};

    HOLDS(mkdtemp(dir) && wr_store_open(dir, &store, &err) == 0 && atexit(remove_store) == 0);
    HOLDS(wr_store_default_team(store, &team, &err) == 0);
    wr_uuid_new(volume.id);
    memcpy(volume.team_id, team.id, sizeof team.id);
    HOLDS(wr_store_volume_add(store, &volume, &err) == 0);
}

static void check(const struct wr_volume_mounts *mounts)
{
    HOLDS(mounts->count <= WR_ACTION_MAX_VOLUMES);
    for (size_t i = 0; i < mounts->count; i++) {
        const char *path = mounts->items[i].path;
        HOLDS(path[0] == '/' && path[1] && !strstr(path, "//") && !strstr(path, "/../"));
        HOLDS(!wr_ends_with(path, "/") && !wr_ends_with(path, "/.") && !wr_ends_with(path, "/.."));
        HOLDS(wr_streq(mounts->items[i].name, "a") && wr_uuid_valid(mounts->items[i].volume_id));
        for (size_t j = 0; j < i; j++)
            HOLDS(!wr_streq(path, mounts->items[j].path));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wr_auto_buf problems = WR_BUF(8192);
    wr_auto_json *array = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct wr_volume_mounts mounts = {.count = 77};
    struct wr_error err = {0};

    if (!store)
        open_store();
    if (!json_is_array(array))
        return 0;
    int r = wr_volume_mounts_read(store, team.id, array, size % 2 == 0, &mounts, &problems, &err);
    if (r == 0)
        check(&mounts);
    else
        HOLDS(r == -WR_E_INVALID_ARGUMENT && problems.len > 0 && mounts.count == 77 &&
              memcmp(wr_buf_ptr(&problems), "invalid mounts:\n", 16) == 0);
    return 0;
}
