/* One constant struct per subcommand; main.c has the table. */
#pragma once

#include "cli/conf.h"
#include "cli/opts.h"
#include "client/transport.h"

struct wr_cli_actions;

/* Options that every command understands, before or behind its name. */
struct wr_common {
    const char *socket_path;
    const char *data_dir;
    const char *config_path; /* NULL: the default one, which need not exist */
};

struct wr_invocation {
    const struct wr_command *command;
    const struct wr_common *common;
    const struct wr_conf *conf; /* the configuration file */
    struct wr_opt_set own;      /* the command's options and values */
    struct wr_opt_set shared;   /* those of every command */
    const void *values;         /* own.values: the command's own struct */
    const char *const *args;
    size_t arg_count;
    uint64_t start_us; /* monotonic: when this process began */
};

struct wr_command {
    const char *name;
    const char *summary; /* one line */
    const char *usage;   /* what follows the name */
    const char *words;   /* arguments that completion offers, separated by blanks, or NULL */
    const struct wr_cli_actions *actions; /* completion offers them too; NULL: it has none */
    const char *details;                  /* more paragraphs for --help, or NULL */
    const struct wr_opt *opts;
    size_t opt_count;
    size_t values_size; /* of the struct that the options' offsets refer to */
    size_t min_args, max_args;
    bool offline; /* knows nothing of a server: works with a configuration file that is wrong too */
    size_t stop_after; /* arguments after which nothing is an option any more; 0: never */
    /* The exit status, or -WR_E_* with `err` filled (printed once, by main). */
    int (*run)(const struct wr_invocation *in, struct wr_error *err);
};

/* All commands, in the order of help; ends with NULL. */
extern const struct wr_command *const wr_commands[];
#define WR_COMMON_OPT_COUNT 3
extern const struct wr_opt wr_common_opts[WR_COMMON_OPT_COUNT];
const struct wr_command *wr_command_find(const char *name);

/* A connection to the server, which is started if need be. */
int wr_cli_connect(const struct wr_invocation *in, struct wr_transport **ret, struct wr_error *err)
    WR_MUST_CHECK;
