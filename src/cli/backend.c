#include "cli/backend.h"

#include "client/start.h"

#define EXECUTABLE "/proc/self/exe"

/* As every command does it: whoever finds no server starts one. */
static int start_server(const struct wr_common *common, const struct wr_cancel *cancel,
                        struct wr_error *err)
{
    const struct wr_connect_opts opts = {.socket_path = common->socket_path,
                                         .data_dir = common->data_dir,
                                         .config_path = common->config_path,
                                         .cancel_fd = cancel ? wr_cancel_fd(cancel) : -1};
    struct wr_transport *transport = NULL;

    int r = wr_transport_connect(&opts, &transport, err);
    wr_transport_free(transport);
    return r;
}

static struct wr_client *make(const struct wr_common *common, enum wr_backend backend,
                              bool with_socket, struct wr_error *err)
{
    return wr_client_new(WR_OPTS(wr_client_opts, .backend = backend,
                                 .socket_path = with_socket ? common->socket_path : NULL,
                                 .data_dir = common->data_dir, .executable = EXECUTABLE),
                         err);
}

/* A socket counts as chosen when it was given; its default is for the private server. */
static struct wr_client *make_auto(const struct wr_invocation *in, struct wr_error *err)
{
    const char *given = in->shared.texts ? in->shared.texts[0] : NULL;
    struct wr_client *client = make(in->common, WR_BACKEND_AUTO, given != NULL, err);

    if (!client || wr_client_backend(client) != WR_BACKEND_PRIVATE)
        return client;
    wr_client_free(client);
    return make(in->common, WR_BACKEND_PRIVATE, true, err);
}

int wr_cli_client(const struct wr_invocation *in, uint64_t choice, struct wr_cancel *cancel,
                  struct wr_client **ret, struct wr_error *err)
{
    struct wr_client *client = NULL;

    switch ((enum wr_backend_choice)choice) {
    case WR_CHOICE_SOCKET: {
        int r = start_server(in->common, cancel, err);
        if (r < 0)
            return r;
        client = make(in->common, WR_BACKEND_SOCKET, true, err);
        break;
    }
    case WR_CHOICE_AUTO:
        client = make_auto(in, err);
        break;
    case WR_CHOICE_E2B:
        client = make(in->common, WR_BACKEND_E2B, false, err);
        break;
    case WR_CHOICE_PRIVATE:
        client = make(in->common, WR_BACKEND_PRIVATE, true, err);
        break;
    }
    if (!client)
        return -err->code;
    *ret = client;
    return 0;
}
