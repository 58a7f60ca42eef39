#include "agent/agent.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/auth.h"
#include "agent/cors.h"
#include "agent/env.h"
#include "agent/identity.h"
#include "agent/routes.h"
#include "agent/state.h"
#include "base/fd.h"
#include "json/jread.h"

#define MAX_CONNECTIONS 512
#define TRIM_BYTES \
    (64 * 1024) /* free memory at the top of the heap above this goes back to the kernel */

/* A process's descriptors are moved to 0..2, so nothing else may ever get these numbers. */
static int hold_stdio(struct wr_error *err)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* The lowest free number is the one that is missing. */
        if (open("/dev/null", O_RDWR) != fd) // NOLINT(android-cloexec-open): stdio is inherited
            return wr_fail_errno(err, WR_E_INTERNAL, "open /dev/null as descriptor %d", fd);
    }
    return 0;
}

static int prepare(struct wr_error *err)
{
    umask(022);
    /* Fixed thresholds: glibc would raise them with use and keep what one large transfer needed. */
    mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
    mallopt(M_TRIM_THRESHOLD, TRIM_BYTES);
    /* PID 1 gets all orphans; anywhere else (tests, a debugger in between) this asks for them. */
    if (getpid() != 1 && prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "become the reaper of orphans");
    return hold_stdio(err);
}

static int start_interpreter(struct wr_agent *agent, struct wr_error *err)
{
    const struct wr_agent_config *config = agent->config;

    if (config->interpreter_fd < 0 || !config->interpreter)
        return 0;
    return config->interpreter->start(agent, config->interpreter_fd, &agent->interpreter, err);
}

static int serve(struct wr_agent *agent, struct wr_error *err)
{
    const struct wr_http_server_opts opts = {
        .max_connections = MAX_CONNECTIONS,
        .handler = wr_routes_handle,
        .on_begin = wr_cors_fields,
        .data = agent,
        .eof_aborts = true, /* a silent stream shows in no other way that its client has left */
    };
    int rc = wr_pid1_init(&agent->pid1, agent->loop, &agent->processes, err);
    if (rc < 0) {
        (void)wr_close(agent->config->listen_fd);
        return rc;
    }
    rc = wr_http_server_new(agent->loop, agent->config->listen_fd, &opts, &agent->server, err);
    if (rc == 0)
        rc = start_interpreter(agent, err);
    if (rc == 0) {
        wr_identity_queue(agent);
        rc = wr_loop_run(agent->loop, err);
        wr_idle_cancel(&agent->identity);
    }
    agent->server = wr_http_server_free(agent->server);
    if (agent->interpreter)
        agent->config->interpreter->stop(agent->interpreter);
    wr_pid1_done(&agent->pid1);
    return rc;
}

int wr_agent_run(const struct wr_agent_config *config)
{
    struct wr_agent agent = {.own = *config, .config = &agent.own};
    struct wr_error err = {0};

    int rc = prepare(&err);
    agent.env = wr_env_of_sandbox(config->env, config->sandbox_id, config->template_name);
    agent.own.env = agent.env;
    if (rc == 0 && !agent.env)
        rc = wr_fail(&err, WR_E_INTERNAL, 0, "no memory for the environment");
    if (rc == 0)
        rc = wr_loop_new(&agent.loop, &err);
    if (rc < 0) {
        (void)wr_close(config->listen_fd);
        json_decref(agent.env);
        return 1;
    }
    wr_agent_log_init(&agent.log, config->log_max_bytes);
    wr_process_table_init(&agent.processes, agent.loop, &agent.log);
    wr_filesystem_init(&agent.filesystem, agent.loop);
    rc = serve(&agent, &err);
    wr_process_table_done(&agent.processes);
    wr_filesystem_done(&agent.filesystem);
    wr_agent_log_done(&agent.log);
    agent.loop = wr_loop_free(agent.loop);
    json_decref(agent.env);
    wr_auth_drop_token(&agent.token);
    wr_auth_drop_token(&agent.control);
    free(agent.trust.pem);
    return rc < 0 ? 1 : 0;
}
