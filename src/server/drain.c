#include "server/drain.h"

#include "log/log.h"
#include "server/blanks.h"
#include "server/pause_policy.h"
#include "server/server.h"
#include "server/tls/terminator.h"
#include "server/volume_content.h"

#define LONGEST_MS 5000
#define LOOK_MS    10

static void look(struct wr_server *server);

static void on_timer(struct wr_timer *timer, void *data)
{
    (void)timer;
    look(data);
}

static void look(struct wr_server *server)
{
    struct wr_error error = {0};
    uint64_t now_ms = wr_loop_now_ms(server->loop);

    bool hibernating = wr_pause_policy_ending(server->pause_policy);
    bool busy = server->running_requests > 0 || wr_blanks_ending(server->blanks) > 0 ||
                wr_volume_contents_ending(server->contents) > 0;

    if (hibernating || (busy && now_ms < server->drain_end_ms)) {
        if (wr_timer_start(server->loop, &server->drain_timer, LOOK_MS, on_timer, server, &error) ==
            0)
            return;
        wr_log(WR_LOG_WARN, "running requests are cut", "error", error.msg, NULL);
    } else if (server->running_requests > 0) {
        wr_log(WR_LOG_WARN, "requests that took too long are cut", NULL);
    }
    wr_loop_stop(server->loop, 0);
}

void wr_drain_start(struct wr_server *server)
{
    if (server->stopping) {
        wr_loop_stop(server->loop, 0);
        return;
    }
    server->stopping = true;
    wr_blanks_stop(server->blanks);
    wr_volume_contents_stop(server->contents);
    server->drain_end_ms = wr_loop_now_ms(server->loop) + LONGEST_MS;
    for (size_t i = 0; i < server->listener_count; i++) {
        wr_http_server_stop_accepting(server->listeners[i].http);
        wr_tls_terminator_stop_accepting(server->listeners[i].terminator);
    }
    look(server);
}
