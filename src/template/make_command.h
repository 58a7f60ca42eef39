/* The external command that fills a draft with what a definition says. */
#pragma once

#include "template/definition.h"
#include "template/layer.h"

#define WR_MAKE_ARGS_MAX 128

struct wr_make_command {
    const char *argv[WR_MAKE_ARGS_MAX];
    size_t argc;
    char *owned[4]; /* arguments that were made for it */
};

void wr_make_command_done(struct wr_make_command *c);
#define wr_auto_make_command WR_CLEANUP(wr_make_command_done) struct wr_make_command

/* mmdebstrap, or for a layer on others a shell script that runs apt in an overlay of them. The
 * command runs as root in a mount namespace of its own and writes into draft->root_fd. */
int wr_make_command_build(const struct wr_definition *d, const struct wr_layer_draft *draft,
                          struct wr_make_command *ret, struct wr_error *err) WR_MUST_CHECK;
