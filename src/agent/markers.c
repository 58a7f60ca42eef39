#include "agent/markers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define DIRECTORY "/run/e2b"

/* Whoever removes or replaces them fools only himself; so failures are no reason to stop. */
static void write_marker(const char *path, const char *text)
{
    wr_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd >= 0)
        (void)!wr_write_all(fd, text, strlen(text));
}

static void write_markers(struct wr_idle *idle, void *data)
{
    const struct wr_agent *agent = data;

    (void)idle;
    (void)!mkdir(DIRECTORY, 0755);
    write_marker(DIRECTORY "/.E2B_SANDBOX", "true");
    write_marker(DIRECTORY "/.E2B_SANDBOX_ID", agent->config->sandbox_id);
    write_marker(DIRECTORY "/.E2B_TEMPLATE_ID", agent->config->template_name);
}

void wr_markers_queue(struct wr_agent *agent)
{
    agent->markers.fn = write_markers;
    agent->markers.data = agent;
    wr_idle_queue(agent->loop, &agent->markers);
}
