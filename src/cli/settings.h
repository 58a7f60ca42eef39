/*
 * Settings: options with a `fallback`. Each has one name in four places, and the first that has it
 * counts: the option --api-listen, the variable WARREN_API_LISTEN of the environment, the line
 * `api-listen = ` of the configuration file, the default.
 */
#pragma once

#include "cli/conf.h"
#include "cli/opts.h"

#define WR_DEFAULT_CONF "/etc/warren/warren.conf"

enum wr_setting_source {
    WR_FROM_DEFAULT = 0,
    WR_FROM_FILE = 1,
    WR_FROM_ENVIRONMENT = 2,
    WR_FROM_OPTION = 3,
};

struct wr_setting_origin {
    enum wr_setting_source source;
    const char *text; /* never NULL; borrowed from argv, environment, file or table */
    unsigned line;    /* of the file */
};

/* Where the setting `set->opts[index]` comes from. A variable that is empty counts as not set. */
struct wr_setting_origin wr_setting_find(const struct wr_opt_set *set, size_t index,
                                         const struct wr_conf *conf);
/* Fills in what the command line did not give (`set->texts` says what it gave). An empty text
 * leaves a string NULL, and a number whose default is empty 0. INVALID_ARGUMENT names the variable,
 * or file and line. */
int wr_settings_apply(const struct wr_opt_set *set, const struct wr_conf *conf,
                      struct wr_error *err) WR_MUST_CHECK;
/* INVALID_ARGUMENT for the first name in the file that is a setting of none of the sets. */
int wr_settings_refuse_unknown(const struct wr_opt_set *sets, size_t set_count,
                               const struct wr_conf *conf, struct wr_error *err) WR_MUST_CHECK;
/* "name = value" per setting, with a comment that says where it came from: a configuration file
 * that would give the same. */
void wr_settings_print(FILE *out, const struct wr_opt_set *set, const struct wr_conf *conf);
/* "api-listen" -> "WARREN_API_LISTEN". */
void wr_setting_variable(const char *name, char *out, size_t cap);
