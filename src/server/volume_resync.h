/* Compares the store's volumes with the engine's, when an engine has begun. */
#pragma once

struct wr_server;

/* Removes what is half-made (rows that are marked), and logs what only one side has: a volume
 * without data is refused by the engine when it is mounted, and data without a row stays until the
 * operator removes it. A failure is logged: sandboxes do not wait for volumes. */
void wr_volume_resync(struct wr_server *server);
