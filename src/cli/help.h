/* Help pages, made from the command table. */
#pragma once

#include <stdio.h>

#include "cli/command.h"

/* `commands`: a table that ends with NULL. */
void wr_help_overview(FILE *out, const struct wr_command *const *commands);
void wr_help_command(FILE *out, const struct wr_command *command);
/* Bash completion: commands and, per command, its options. */
void wr_help_bash(FILE *out, const struct wr_command *const *commands);
/* All commands as Markdown (docs/cli.md is this text). */
void wr_help_markdown(FILE *out, const struct wr_command *const *commands);
