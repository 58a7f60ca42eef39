/* Options of a new sandbox, shared by the commands that make some. */
#pragma once

#include "cli/opts.h"
#include "client/api_sandbox.h"
#include "engine/action.h"
#include "warren/sandbox.h"

#define WR_DEFAULT_TEMPLATE "base"

struct wr_sandbox_values {
    const char *template_name;
    uint64_t cpu_millis, memory_bytes, disk_bytes, pids;
    struct wr_opt_list envs;
    struct wr_opt_list volumes;
    bool no_internet;
    struct wr_opt_list allow_out, deny_out;
    const char *group;
};

/* Rows for an option table; `base` is the offset of the struct wr_sandbox_values in the command's
 * values. clang-format has no good form for them. */
/* clang-format off */
#define WR_SANDBOX_ROW(base, member) ((base) + offsetof(struct wr_sandbox_values, member))
/* What sandboxes of every server have. */
#define WR_SANDBOX_COMMON_OPTS(base)                                                               \
    {"template", 't', WR_OPT_STRING, WR_SANDBOX_ROW(base, template_name), "NAME",                  \
     "template of the sandbox (base)", 0, 0, false},                                               \
    {"cpu", 0, WR_OPT_CPU, WR_SANDBOX_ROW(base, cpu_millis), "N", "CPUs, e.g. 0.5 (2)",            \
     WR_CPU_MILLIS_MIN, WR_CPU_MILLIS_MAX, false},                                                 \
    {"memory", 'm', WR_OPT_SIZE, WR_SANDBOX_ROW(base, memory_bytes), "SIZE",                       \
     "memory, e.g. 512M (1G)", WR_MEMORY_BYTES_MIN, WR_MEMORY_BYTES_MAX, false},                   \
    {"no-internet", 0, WR_OPT_FLAG, WR_SANDBOX_ROW(base, no_internet), NULL,                       \
     "deny all connections but those of --allow-out", 0, 0, false},                                \
    {"allow-out", 0, WR_OPT_LIST, WR_SANDBOX_ROW(base, allow_out), "DEST",                         \
     "allow an address, range, domain or *.domain (repeatable)", 0, 0, false},                     \
    {"deny-out", 0, WR_OPT_LIST, WR_SANDBOX_ROW(base, deny_out), "DEST",                           \
     "deny an address or range; 0.0.0.0/0 is everything (repeatable)", 0, 0, false},               \
    {"volume", 0, WR_OPT_LIST, WR_SANDBOX_ROW(base, volumes), "NAME:/PATH[:ro]",                   \
     "mount a volume there (repeatable)", 0, 0, false},                                            \
    {"env", 'e', WR_OPT_LIST, WR_SANDBOX_ROW(base, envs), "NAME=VALUE",                            \
     "variable of every process (repeatable)", 0, 0, false}
/* Those and what the public client has no word for. */
#define WR_SANDBOX_OPTS(base)                                                                      \
    WR_SANDBOX_COMMON_OPTS(base),                                                                  \
    {"disk", 0, WR_OPT_SIZE, WR_SANDBOX_ROW(base, disk_bytes), "SIZE",                             \
     "disk space, e.g. 10G (4G)", WR_DISK_BYTES_MIN, WR_DISK_BYTES_MAX, false},                    \
    {"pids", 0, WR_OPT_U64, WR_SANDBOX_ROW(base, pids), "N", "processes and threads (512)",        \
     WR_PIDS_MIN, WR_PIDS_MAX, false},                                                             \
    {"group", 0, WR_OPT_STRING, WR_SANDBOX_ROW(base, group), "NAME",                               \
     "reach other sandboxes of the group as ID.internal", 0, 0, false}
/* clang-format on */

/* The values as the client library takes them. */
static inline struct wr_api_sandbox_opts wr_api_sandbox_opts_of(
    const struct wr_sandbox_values *values)
{
    return (struct wr_api_sandbox_opts){
        .template_name = values->template_name ? values->template_name : WR_DEFAULT_TEMPLATE,
        .cpu_millis = values->cpu_millis,
        .memory_bytes = values->memory_bytes,
        .disk_bytes = values->disk_bytes,
        .pids = values->pids,
        .envs = values->envs.items,
        .env_count = values->envs.count,
        .volumes = values->volumes.items,
        .volume_count = values->volumes.count,
        .no_internet = values->no_internet,
        .allow_out = values->allow_out.items,
        .allow_out_count = values->allow_out.count,
        .deny_out = values->deny_out.items,
        .deny_out_count = values->deny_out.count,
        .group = values->group,
    };
}
/* The same for the public client; without a name of a template it is the server's own choice. Lists
 * are borrowed. */
static inline struct wr_sandbox_opts wr_sandbox_opts_of(const struct wr_sandbox_values *values)
{
    return (struct wr_sandbox_opts){
        .struct_size = sizeof(struct wr_sandbox_opts),
        .template_name = values->template_name,
        .no_internet = values->no_internet,
        .allow_out = values->allow_out.items,
        .allow_out_count = values->allow_out.count,
        .deny_out = values->deny_out.items,
        .deny_out_count = values->deny_out.count,
        .volumes = values->volumes.items,
        .volume_count = values->volumes.count,
        .envs = values->envs.items,
        .env_count = values->envs.count,
        .memory_bytes = values->memory_bytes,
        .cpu_millis = values->cpu_millis,
    };
}
