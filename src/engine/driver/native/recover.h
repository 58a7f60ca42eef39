/*
 * After a restart: nests that still run are asked for their sandboxes, those with a valid record
 * are adopted, and everything else that carries our names (nests, control groups, upper
 * directories) is removed. It is a comparison of what is there with what should be, so it does not
 * matter at which step an engine was killed.
 */
#pragma once

#include "base/error.h"

struct wr_driver;

int wr_native_recover(struct wr_driver *driver, struct wr_error *err) WR_MUST_CHECK;
