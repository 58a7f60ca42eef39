/** @file
 * What every header of libwarren needs: visibility, C++, and structs that can grow.
 *
 * The headers compile as C11 and C++17. All text is UTF-8 and ends with NUL unless a length stands
 * beside it. Sizes are bytes; the unit of a time is the end of its name (`_ms`, `_s`).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Symbols that the shared library exports. */
#define WR_PUBLIC __attribute__((visibility("default")))

/** @cond : linkage for C++ */
#ifdef __cplusplus
#    define WR_BEGIN_DECLS extern "C" {
#    define WR_END_DECLS   }
#else
#    define WR_BEGIN_DECLS
#    define WR_END_DECLS
#endif
/** @endcond */

/**
 * Options as an argument: `WR_OPTS(wr_retry_opts, .max_retries = 5)`.
 *
 * Structs of options begin with their size as the caller knows it, so that later versions can add
 * members at their end. A member that is zero has its default. A NULL pointer to options is all
 * defaults. C only; C++ fills a zeroed struct and sets `struct_size`.
 */
#define WR_OPTS(type, ...) (&(const struct type){.struct_size = sizeof(struct type), __VA_ARGS__})

WR_BEGIN_DECLS

/** Version of the library, "major.minor.patch". Constant. */
WR_PUBLIC const char *wr_version(void);

/** Frees what a function of the library returned as text or bytes to its caller. Accepts NULL. */
WR_PUBLIC void wr_free(void *memory);

WR_END_DECLS
