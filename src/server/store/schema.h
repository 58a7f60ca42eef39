/* The tables of the store and how older files become new ones. */
#pragma once

#include "server/store/database.h"

/* "WARR", in the file's header: tells a database of Warren from any other one. */
#define WR_STORE_APPLICATION_ID 0x57415252

/* The newest version. */
uint64_t wr_schema_newest(void);
/* Brings an empty or older file to `version` (at most the newest), one transaction per step.
 * FAILED_PRECONDITION when the file is newer or is no database of Warren. */
int wr_schema_migrate(struct wr_store *store, uint64_t version, struct wr_error *err) WR_MUST_CHECK;
