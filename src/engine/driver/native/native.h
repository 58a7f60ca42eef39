/* The native driver's shared state. Data flows: native.c -> kit.c (resources) -> nest_link.c
 * (spawn) -> instance.c (life and end). */
#pragma once

#include "base/list.h"
#include "engine/cgroup/cgroup.h"
#include "engine/driver/driver.h"
#include "engine/driver/native/checkpoint.h"
#include "engine/driver/native/slots.h"
#include "engine/driver/native/zygote.h"
#include "engine/isolate/overlay.h"
#include "engine/snapshot/host.h"
#include "engine/snapshot/memory.h"
#include "engine/snapshot/store.h"
#include "engine/storage/share.h"
#include "engine/storage/volume.h"
#include "template/store.h"

struct wr_nest_link;

/* "<template>.<hash of the nest's program>": sandboxes that outlive an upgrade stay with the nest
 * that they came from. */
#define WR_NEST_NAME_MAX 80
#define WR_NEST_HASH_LEN 8

/* How many kits and network namespaces are kept ready per template. */
#define WR_KITS_READY 16

struct wr_native_template {
    struct wr_list link; /* driver->templates */
    struct wr_driver *driver;
    struct wr_template t;
    uint64_t manifest_version;            /* changes with the file */
    int layer_fds[WR_OVERLAY_MAX_LAYERS]; /* highest first; the device layer is the first */
    size_t layer_count;
    uint64_t layers_id; /* stands for this stack; a zygote serves sandboxes of the same one */
    struct wr_native_zygote zygote;
    struct wr_nest_link *nest; /* owned; NULL until the first sandbox */
    bool retired; /* an entry for a nest of another version: it gets no new sandboxes and ends with
                     its last */
    char nest_name[WR_NEST_NAME_MAX];
    struct wr_list kits; /* ready ones */
    size_t kit_count;
};

struct wr_driver {
    struct wr_loop *loop; /* borrowed */
    struct wr_driver_callbacks callbacks;
    char *data_dir, *run_dir;
    int data_dirfd, lock_fd;
    struct wr_volume *volume;
    struct wr_shares *shares;       /* in `volume` */
    struct wr_snapshots *snapshots; /* in `volume` */
    struct wr_memory *memory;       /* in `volume` */
    struct wr_host host;
    struct wr_native_checkpoint checkpoint;
    struct wr_cgroup_root *cgroups;
    struct wr_overlay_stage stage;
    struct wr_slots slots;
    int seccomp_fd, zygote_seccomp_fd; /* memfds with filters */
    int program_fd, device_layer_fd;   /* program: memfd with the nest's binary */
    char device_layer_name[80];
    char program_hash[WR_NEST_HASH_LEN + 1];
    struct wr_list templates;
    struct wr_list instances;
    struct wr_idle refill;        /* makes kits when there is nothing else to do */
    struct wr_timer refill_pause; /* before it begins */
    size_t starting; /* instances whose start has no outcome yet: refilling waits for them */
    struct wr_timer collect; /* removes what could not be removed at once */
    struct wr_timer memory_collect;
    struct wr_list leftovers;
};

/* native/native.c: makes kits once nothing has been asked for during a short pause and nothing is
 * starting. */
void wr_native_refill(struct wr_driver *driver);

/* native/templates.c: the template with its layers open and its nest running. */
int wr_native_template_get(struct wr_driver *driver, const char *name,
                           struct wr_native_template **ret, struct wr_error *err) WR_MUST_CHECK;
/* A nest that makes network namespaces for sandboxes of that template: its own, which needs nothing
 * of the template, so that it serves when that was removed. */
int wr_native_template_nest(struct wr_driver *driver, const char *name, struct wr_nest_link **ret,
                            struct wr_error *err) WR_MUST_CHECK;
/* Of a template's manifest on disk; another one when the template was made again. 0: unreadable. */
uint64_t wr_native_manifest_version(const struct wr_driver *driver, const char *name);
/* An entry for the nest of an earlier engine, which it takes over; layers are opened when the
 * template is asked for. */
int wr_native_template_keep(struct wr_driver *driver, const char *nest_name,
                            struct wr_nest_link *nest, struct wr_error *err) WR_MUST_CHECK;
/* Templates whose nests were taken over get kits and zygotes again. */
void wr_native_templates_prepare(struct wr_driver *driver);
/* Ends retired nests that have no sandbox left. True while a control group of one still has to go.
 */
bool wr_native_retired_collect(struct wr_driver *driver);
void wr_native_template_free(struct wr_native_template *t);
