/* What a tester's input says about a project, read strictly. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "base/error.h"

#define WR_PROJECT_MAX_ARGS 500

enum wr_project_runner { WR_RUNNER_PYTEST, WR_RUNNER_UNITTEST };

/* Texts are borrowed from the input. */
struct wr_project_input {
    const char *path; /* on this side */
    enum wr_project_runner runner;
    const char **args; /* owned array */
    size_t arg_count;
    const char **packages; /* owned array */
    size_t package_count;
    const char *requirements; /* in the project; NULL: none */
    bool coverage;
};

int wr_project_input_read(const json_t *input, struct wr_project_input *ret, struct wr_error *err)
    WR_MUST_CHECK;
/* Accepts a zeroed one. */
void wr_project_input_done(struct wr_project_input *input);
#define wr_auto_project_input WR_CLEANUP(wr_project_input_done) struct wr_project_input
