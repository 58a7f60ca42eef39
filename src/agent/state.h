/* What the parts of the agent share: one instance per process. */
#pragma once

#include "agent/agent.h"
#include "agent/exec/process.h"
#include "agent/fs/filesystem.h"
#include "agent/log.h"
#include "agent/metrics.h"
#include "agent/pid1.h"
#include "agent/trust_store.h"
#include "base/str.h"

struct wr_http_server;

struct wr_agent {
    const struct wr_agent_config *config; /* `own`, for reading */
    struct wr_agent_config own;           /* changed by POST /init only */
    json_t *env;                          /* owned: own.env */
    char *token;                          /* owned: own.access_token, when POST /init has set it */
    char *control;                        /* the same of own.control_token */
    char id[WR_ID_LEN + 1];               /* the same of own.sandbox_id */
    struct wr_loop *loop;
    struct wr_http_server *server;
    void *interpreter; /* of config->interpreter; NULL: none */
    struct wr_agent_log log;
    struct wr_process_table processes;
    struct wr_filesystem filesystem;
    struct wr_pid1 pid1;
    struct wr_cpu_sample cpu; /* of the last GET /metrics */
    struct wr_trust_certificate trust;
    struct wr_idle identity; /* writes the files that say which sandbox this is */
};
