#include "cli/first_start.h"

#include <stdio.h>
#include <string.h>

#include "cli/sdk_env.h"
#include "server/setup.h"

static bool needs_keys(const struct wr_front *front)
{
    for (size_t i = 0; i < front->count; i++)
        if (front->listeners[i].kind != WR_LISTEN_INGRESS)
            return true;
    return false;
}

static int print_how_to(const struct wr_server_config *config, const char *key,
                        struct wr_error *err)
{
    const struct wr_sdk_target target = {
        .api_url = config->api_url,
        .sandbox_url = config->sandbox_url,
        .domain = config->domain,
        .tls = config->tls_cert_pem != NULL,
        .ca_file = config->ca_path,
    };
    struct wr_sdk_env env = {0};

    int r = wr_sdk_env_make(key, &target, &env, err);
    if (r == 0) {
        printf("The first API key, shown only this once (`warren env` makes others):\n\n");
        wr_sdk_env_print(stdout, &env);
        printf("\nThen, after `pip install e2b`, in Python:\n\n"
               "from e2b import Sandbox\n"
               "sandbox = Sandbox.create()\n"
               "print(sandbox.commands.run(\"echo hello from $HOSTNAME\").stdout)\n\n");
        fflush(stdout);
    }
    wr_sdk_env_done(&env);
    return r;
}

int wr_first_start(const struct wr_front *front, struct wr_error *err)
{
    char key[WR_SERVER_KEY_MAX] = "";

    if (!needs_keys(front))
        return 0;
    int r = wr_server_first_key(front->config.state_dir, key, err);
    if (r == 1)
        r = print_how_to(&front->config, key, err);
    explicit_bzero(key, sizeof key);
    return r < 0 ? r : 0;
}
