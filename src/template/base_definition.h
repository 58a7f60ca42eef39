/* The template "base": a Debian tree of its own. */
#pragma once

#include "template/definition.h"

extern const struct wr_definition wr_base_definition;
