#include "base/str.h"
#include "cli/cmd_audit.h"
#include "cli/cmd_bench_slo.h"
#include "cli/cmd_completion.h"
#include "cli/cmd_cp.h"
#include "cli/cmd_create.h"
#include "cli/cmd_criu.h"
#include "cli/cmd_dev_cert.h"
#include "cli/cmd_doctor.h"
#include "cli/cmd_env.h"
#include "cli/cmd_events.h"
#include "cli/cmd_exec.h"
#include "cli/cmd_fork.h"
#include "cli/cmd_forward.h"
#include "cli/cmd_help.h"
#include "cli/cmd_hibernate.h"
#include "cli/cmd_key.h"
#include "cli/cmd_kill.h"
#include "cli/cmd_logs.h"
#include "cli/cmd_net.h"
#include "cli/cmd_orchestrate.h"
#include "cli/cmd_pause.h"
#include "cli/cmd_ps.h"
#include "cli/cmd_repl.h"
#include "cli/cmd_resume.h"
#include "cli/cmd_rollback.h"
#include "cli/cmd_run.h"
#include "cli/cmd_secret.h"
#include "cli/cmd_serve.h"
#include "cli/cmd_slo.h"
#include "cli/cmd_snapshot.h"
#include "cli/cmd_team.h"
#include "cli/cmd_template.h"
#include "cli/cmd_test.h"
#include "cli/cmd_usage.h"
#include "cli/cmd_version.h"
#include "cli/cmd_volume.h"
#include "cli/cmd_webhook.h"
#include "cli/command.h"

const struct wr_command *const wr_commands[] = {
    &wr_cmd_run,         &wr_cmd_test,
    &wr_cmd_orchestrate, &wr_cmd_repl,
    &wr_cmd_create,      &wr_cmd_exec,
    &wr_cmd_ps,          &wr_cmd_logs,
    &wr_cmd_events,      &wr_cmd_net,
    &wr_cmd_kill,        &wr_cmd_pause,
    &wr_cmd_resume,      &wr_cmd_snapshot,
    &wr_cmd_fork,        &wr_cmd_rollback,
    &wr_cmd_hibernate,   &wr_cmd_forward,
    &wr_cmd_cp,          &wr_cmd_template,
    &wr_cmd_volume,      &wr_cmd_secret,
    &wr_cmd_webhook,     &wr_cmd_usage,
    &wr_cmd_slo,         &wr_cmd_bench_slo,
    &wr_cmd_audit,       &wr_cmd_doctor,
    &wr_cmd_criu,        &wr_cmd_serve,
    &wr_cmd_env,         &wr_cmd_key,
    &wr_cmd_team,        &wr_cmd_dev_cert,
    &wr_cmd_completion,  &wr_cmd_version,
    &wr_cmd_help,        NULL,
};

const struct wr_command *wr_command_find(const char *name)
{
    for (size_t i = 0; wr_commands[i]; i++)
        if (wr_streq(wr_commands[i]->name, name))
            return wr_commands[i];
    return NULL;
}
