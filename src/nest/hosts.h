/* /etc/hosts of a sandbox whose template has none, as images of containers have not: a sandbox that
 * does not know its own name asks for it outside, and sudo does so at each call. */
#pragma once

/* In the sandbox's root file system, as uid 0 inside. A file that says anything stays as it is.
 * What fails is left alone: names are then resolved outside. */
void wr_hosts_ensure(const char *name);
