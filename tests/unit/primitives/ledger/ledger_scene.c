#include "ledger_scene.h"

#include <fcntl.h>

#include "base/file.h"
#include "test.h"

static uint64_t wall_ms(void *self)
{
    return ((struct ledger_scene *)self)->now_ms;
}

struct wr_ledger *scene_open(struct ledger_scene *scene)
{
    const struct wr_ledger_clock clock = {.wall_ms = wall_ms, .self = scene};
    struct wr_error err = {0};
    struct wr_ledger *ledger = wr_ledger_open_with(scene->path, &clock, &err);

    if (!ledger)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return ledger;
}

void scene_begin(struct ledger_scene *scene)
{
    *scene = (struct ledger_scene){.dir = "/tmp/warren-ledger-XXXXXX", .now_ms = SCENE_NOW_MS};
    CHECK(mkdtemp(scene->dir));
    (void)snprintf(scene->path, sizeof scene->path, "%s/ledger.db", scene->dir);
    scene->ledger = scene_open(scene);
}

void scene_end(struct ledger_scene *scene)
{
    wr_ledger_free(scene->ledger);
    CHECK(wr_remove_tree(AT_FDCWD, scene->dir) == 0);
}

struct wr_ledger_entry entry_of(const struct ledger_scene *scene, int64_t ago_ms, double create_ms)
{
    return (struct wr_ledger_entry){.struct_size = sizeof(struct wr_ledger_entry),
                                    .time_ms = (int64_t)scene->now_ms - ago_ms,
                                    .create_ms = create_ms,
                                    .run_ms = 10,
                                    .held_ms = 1000,
                                    .code_succeeded = true,
                                    .backend = "a",
                                    .template_name = "base",
                                    .language = "python"};
}

void scene_add(struct ledger_scene *scene, const struct wr_ledger_entry *entry)
{
    struct wr_error err = {0};

    if (wr_ledger_add(scene->ledger, entry, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
}
