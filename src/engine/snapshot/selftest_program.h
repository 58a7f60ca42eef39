/* The program of the self-test: an ELF file of some 200 bytes that needs nothing but a kernel. */
#pragma once

#include "base/buf.h"

/* What it answers whoever connects to the listening socket that it got as descriptor 3. */
#define WR_SELFTEST_SOCKET 3
#define WR_SELFTEST_ANSWER 'W'

/* Appends the file. 0 or -errno; -ENOTSUP for another processor. */
int wr_selftest_program(struct wr_buf *out) WR_MUST_CHECK;
