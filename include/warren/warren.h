/** @file
 * All of libwarren.
 */
#pragma once

#include "warren/cache.h"
#include "warren/client.h"
#include "warren/code.h"
#include "warren/compose.h"
#include "warren/coordinate.h"
#include "warren/executor.h"
#include "warren/files.h"
#include "warren/ledger.h"
#include "warren/limits.h"
#include "warren/orchestrator.h"
#include "warren/primitive.h"
#include "warren/program.h"
#include "warren/recovery.h"
#include "warren/sandbox.h"
#include "warren/secure.h"
#include "warren/sessions.h"
#include "warren/snapshot.h"
#include "warren/supply.h"
#include "warren/telemetry.h"
#include "warren/testing.h"
#include "warren/volumes.h"
#include "warren/workflow.h"
