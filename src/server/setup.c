#include "server/setup.h"

#include "server/auth/auth.h"
#include "server/egress/guard.h"
#include "server/egress/name_servers.h"
#include "tls/context.h"

_Static_assert(WR_KEY_TEXT_LEN < WR_SERVER_KEY_MAX, "a key and its NUL fit");

int wr_server_check_tls(const char *cert_pem, const char *key_pem, struct wr_error *err)
{
    return wr_tls_check(cert_pem, key_pem, err);
}

int wr_server_check_ranges(const char *name, const char *open, struct wr_error *err)
{
    struct wr_net_guard *guard = NULL;

    if (wr_guard_new(open, &guard, err) < 0)
        return wr_wrap(err, "%s", name);
    wr_guard_free(guard);
    return 0;
}

int wr_server_check_egress(const struct wr_egress_config *config, struct wr_error *err)
{
    struct wr_name_servers servers = {0};
    SSL_CTX *context = NULL;

    int r = wr_server_check_ranges("egress-open", config->open, err);
    if (r < 0)
        return r;
    if (config->dns_servers && wr_name_servers_init(&servers, config->dns_servers, NULL, err) < 0)
        return -err->code; /* names the setting itself */
    if (config->ca_pem && wr_tls_client_context_new(config->ca_pem, &context, err) < 0)
        return wr_wrap(err, "egress-ca");
    SSL_CTX_free(context);
    return 0;
}

int wr_server_first_key(const char *state_dir, char ret_key[static WR_SERVER_KEY_MAX],
                        struct wr_error *err)
{
    struct wr_store *store = NULL;

    int r = wr_store_open(state_dir, &store, err);
    if (r == 0)
        r = wr_auth_first_key(store, ret_key, err);
    wr_store_free(store);
    return r;
}
