#include "server/setup.h"

#include "server/auth/auth.h"
#include "server/tls/terminator.h"

_Static_assert(WR_KEY_TEXT_LEN < WR_SERVER_KEY_MAX, "a key and its NUL fit");

int wr_server_check_tls(const char *cert_pem, const char *key_pem, struct wr_error *err)
{
    return wr_tls_check(cert_pem, key_pem, err);
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
