/* Packages for the code: pip in the sandbox, as the user that the code runs as. */
#pragma once

#include "base/base.h"
#include "warren/sandbox.h"
#include "warren/workflow.h"

struct wr_install {
    struct wr_sandbox *sandbox; /* borrowed, as all of it */
    const char *const *packages;
    size_t count;
    const char *requirements; /* a file in the sandbox besides; NULL: none */
    const char *cwd;          /* of pip; NULL: the user's home */
    const char *const *envs;  /* "NAME=value" */
    size_t env_count;
    uint64_t timeout_ms;
};

/* A text that pip may get as a requirement: no option, no control character, 1 to 300 bytes. */
bool wr_install_requirement_valid(const char *text);
/* FAILED_PRECONDITION with pip's last error line when it fails, without passwords of URLs.
 * DEADLINE_EXCEEDED after `timeout_ms`. */
int wr_install_packages(const struct wr_install *install, struct wr_workflow *workflow,
                        struct wr_error *err) WR_MUST_CHECK;

/* The last line of pip's output that tells of an error, else its last line: as text, at most `cap`
 * - 1 bytes, with "***" in the place of names and passwords in URLs. */
void wr_install_reason(const char *output, char *ret, size_t cap);
