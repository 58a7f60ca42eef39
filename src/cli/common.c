#include "cli/command.h"
#include "cli/settings.h"
#include "client/start.h"

const struct wr_opt wr_common_opts[WR_COMMON_OPT_COUNT] = {
    {"socket", 0, WR_OPT_STRING, offsetof(struct wr_common, socket_path), "PATH",
     "socket of the server", 0, 0, false, WR_DEFAULT_SOCKET},
    {"data-dir", 0, WR_OPT_STRING, offsetof(struct wr_common, data_dir), "DIR",
     "templates and sandboxes", 0, 0, false, WR_DEFAULT_DATA_DIR},
    {"config", 0, WR_OPT_STRING, offsetof(struct wr_common, config_path), "FILE",
     "configuration (default " WR_DEFAULT_CONF " if it is there)", 0, 0, false, NULL},
};

int wr_cli_connect(const struct wr_invocation *in, struct wr_transport **ret, struct wr_error *err)
{
    struct wr_connect_opts opts = {.socket_path = in->common->socket_path,
                                   .data_dir = in->common->data_dir,
                                   .config_path = in->common->config_path};
    return wr_transport_connect(&opts, ret, err);
}
