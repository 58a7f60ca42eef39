/* A ledger in a directory of its own, with a clock that the test moves. */
#pragma once

#include "primitives/ledger/ledger.h"

#define SCENE_NOW_MS ((uint64_t)1700000000000) /* 2023-11-14T22:13:20Z */
#define HOUR_MS      ((int64_t)3600000)
#define DAY_MS       (24 * HOUR_MS)

struct ledger_scene {
    char dir[64], path[96];
    uint64_t now_ms;
    struct wr_ledger *ledger;
};

void scene_begin(struct ledger_scene *scene);
/* Another connection to the same file, as another process would have. */
struct wr_ledger *scene_open(struct ledger_scene *scene);
void scene_end(struct ledger_scene *scene);

/* An execution `ago_ms` before the scene's time: backend "a", one second held, sandbox created in
 * `create_ms` (negative: it was there). */
struct wr_ledger_entry entry_of(const struct ledger_scene *scene, int64_t ago_ms, double create_ms);
void scene_add(struct ledger_scene *scene, const struct wr_ledger_entry *entry);
