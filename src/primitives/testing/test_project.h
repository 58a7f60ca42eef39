/* A project with tests of its own, run in one sandbox. */
#pragma once

#include <jansson.h>

#include "base/base.h"
#include "warren/supply.h"

struct wr_test_project {
    struct wr_supply *supply; /* borrowed */
    bool keeps;               /* its sandboxes serve others afterwards */
    uint64_t timeout_ms;      /* of install and run each */
    size_t max_output;        /* bytes */
};

/*
 * `input` has "project" (warren/testing.h). *ret is the output of the primitive. An error: the
 * input is wrong, the project cannot be read on this side, the workflow has ended. What goes wrong
 * in or around the sandbox is the outcome "infrastructure_error".
 */
int wr_test_project_run(const struct wr_test_project *project, const json_t *input,
                        struct wr_workflow *workflow, json_t **ret, struct wr_error *err)
    WR_MUST_CHECK;
