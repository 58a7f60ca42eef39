/* The template "code-interpreter-full": a layer on the base template with R, Java and the packages
 * that E2B's template for the interpreter has. Made on request, because it is large. */
#pragma once

#include "template/definition.h"

extern const struct wr_definition wr_full_definition;
extern const struct wr_download wr_full_downloads[]; /* full_downloads.c */
