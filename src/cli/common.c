#include "cli/command.h"
#include "client/start.h"

const struct wr_opt wr_common_opts[] = {
    {"socket", 0, WR_OPT_STRING, offsetof(struct wr_common, socket_path), "PATH",
     "socket of the server ($WARREN_SOCKET, " WR_DEFAULT_SOCKET ")", 0, 0, false},
    {"data-dir", 0, WR_OPT_STRING, offsetof(struct wr_common, data_dir), "DIR",
     "templates and sandboxes ($WARREN_DATA_DIR, " WR_DEFAULT_DATA_DIR ")", 0, 0, false},
};
const size_t wr_common_opt_count = WR_ARRAY_SIZE(wr_common_opts);

int wr_cli_connect(const struct wr_invocation *in, struct wr_client **ret, struct wr_error *err)
{
    struct wr_connect_opts opts = {.socket_path = in->common->socket_path,
                                   .data_dir = in->common->data_dir};
    return wr_client_connect(&opts, ret, err);
}
