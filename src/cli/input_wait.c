#include "cli/input_wait.h"

#include <unistd.h>

void wr_input_wait_init(struct wr_input_wait *wait, struct wr_transport *client)
{
    *wait = (struct wr_input_wait){.client = client};
}

static void on_ready(struct wr_source *source, uint32_t events, void *data)
{
    struct wr_input_wait *wait = data;

    (void)source;
    (void)events;
    wait->ready = true;
}

int wr_input_wait(struct wr_input_wait *wait, struct wr_error *err)
{
    struct wr_error refused = {0};
    int r = 0;

    wait->ready = wait->always_ready;
    if (!wait->ready && wr_source_add(wr_transport_loop(wait->client), &wait->source, STDIN_FILENO,
                                      EPOLLIN, on_ready, wait, &refused) < 0)
        wait->ready = wait->always_ready = true;
    /* Once at least: what else is due must not wait for a file to end. */
    do {
        r = wr_transport_step(wait->client, wait->ready ? 0 : -1, err);
    } while (r == 0 && !wait->ready);
    wr_source_remove(&wait->source);
    return r;
}
