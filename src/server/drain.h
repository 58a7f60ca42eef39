/* The end that an operator asks for: nothing new is accepted, requests of the control API that are
 * under way get their answers, streams into sandboxes are cut. Sandboxes live on. */
#pragma once

struct wr_server;

/* Stops the loop as soon as no request of the control API waits any more, at the latest after 5 s,
 * and at once when it is called a second time. */
void wr_drain_start(struct wr_server *server);
