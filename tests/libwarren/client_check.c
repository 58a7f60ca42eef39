#include "client_check.h"

#include <dirent.h>

struct wr_client *new_client(void)
{
    struct wr_error err = {0};
    struct wr_client *client = wr_client_new(NULL, &err);

    if (!client)
        wr_test_fail(__FILE__, __LINE__, "client: %s", err.msg);
    return client;
}

struct wr_sandbox *new_sandbox(struct wr_client *client)
{
    struct wr_sandbox *sandbox = NULL;

    DO(wr_sandbox_create(client, WR_OPTS(wr_sandbox_opts, .timeout_s = 120), NULL, &sandbox, &err));
    return sandbox;
}

void end(struct wr_client *client, struct wr_sandbox *sandbox)
{
    if (sandbox)
        DO(wr_sandbox_kill(sandbox, NULL, &err));
    wr_sandbox_free(sandbox);
    wr_client_free(client);
}

struct wr_value *run_code(struct wr_sandbox *sandbox, const char *code)
{
    struct wr_value *result = NULL;

    DO(wr_code_run(sandbox, WR_OPTS(wr_code_opts, .code = code), NULL, &result, &err));
    return result;
}

const char *main_text(const struct wr_value *result)
{
    const struct wr_value *results = wr_value_get(result, "results");

    for (size_t i = 0; i < wr_value_count(results); i++)
        if (wr_value_bool(wr_value_at(results, i), "is_main_result", false))
            return wr_value_string(wr_value_at(results, i), "text");
    return "";
}

struct wr_value *run_command(struct wr_sandbox *sandbox, const char *command)
{
    struct wr_value *result = NULL;

    DO(wr_program_run(sandbox, WR_OPTS(wr_program_opts, .command = command), NULL, &result, &err));
    return result;
}

static int entries(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;

    CHECK(dir != NULL);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

int open_descriptors(void)
{
    return entries("/proc/self/fd");
}

int running_threads(void)
{
    return entries("/proc/self/task");
}
