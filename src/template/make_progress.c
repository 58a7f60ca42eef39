#include "template/make_progress.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

struct marker {
    const char *prefix;
    const char *phase;
};

/* mmdebstrap's own phases, and those of the script that makes a layer (make_command.c); those with
 * packages to count come from apt and dpkg. */
static const struct marker markers[] = {
    {"I: running apt-get update", "reading package lists"},
    {"I: extracting archives", "unpacking the minimal system"},
    {"I: running --customize-hook", "finishing"},
    {"I: cleaning package lists", "cleaning up"},
    {"reading package lists", "reading package lists"},
    {"finishing", "finishing"},
};

/* Words before the rest of a line that says why something failed. */
static const char *const error_words[] = {"E: ", "curl: (", "ERROR: ", "mount: "};

static const char *const network_words[] = {
    "Failed to fetch",   "Could not resolve", "Temporary failure",    "Could not connect",
    "Unable to connect", "Connection failed", "Connection timed out", "curl: (",
};

void wr_make_progress_init(struct wr_make_progress *p, FILE *out)
{
    *p = (struct wr_make_progress){0};
    wr_progress_init(&p->bar, out, "packages");
    wr_progress_phase(&p->bar, "starting", 0, 0);
}

/* "… N newly installed, …" starts a round of downloading, unpacking and configuring N packages. */
static bool new_round(struct wr_make_progress *p, const char *line)
{
    const char *words = strstr(line, " newly installed");
    const char *number = words;
    while (number && number > line && isdigit((unsigned char)number[-1]))
        number--;
    if (!number || number == words)
        return false;
    p->packages = strtoul(number, NULL, 10);
    p->unpacked = p->configured = 0;
    return true;
}

/* "fetching 3/34", from the script that downloads (definition.c). */
static bool fetching(struct wr_make_progress *p, const char *line)
{
    char *end = NULL;
    if (!wr_starts_with(line, "fetching "))
        return false;
    unsigned long number = strtoul(line + strlen("fetching "), &end, 10);
    unsigned long total = *end == '/' ? strtoul(end + 1, NULL, 10) : 0;
    wr_progress_phase(&p->bar, "downloading from package indexes", number, total);
    return true;
}

/* The reason to report is the first line about the network, else the first error. */
static void note_errors(struct wr_make_progress *p, const char *line)
{
    bool network = false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(network_words); i++)
        network |= strstr(line, network_words[i]) != NULL;
    bool error = false;
    for (size_t i = 0; i < WR_ARRAY_SIZE(error_words); i++)
        error |= wr_starts_with(line, error_words[i]);
    if ((network && !p->network_trouble) || (error && !p->reason[0]))
        (void)snprintf(p->reason, sizeof(p->reason), "%s",
                       line + strspn(line, " ")); /* cut at the end */
    p->network_trouble |= network;
}

void wr_make_progress_line(const char *line, void *data)
{
    struct wr_make_progress *p = data;
    char *slot = p->last[p->last_count++ % WR_MAKE_LOG_LINES];
    (void)snprintf(slot, sizeof(p->last[0]), "%s", line); /* cut at the end */
    note_errors(p, line);

    for (size_t i = 0; i < WR_ARRAY_SIZE(markers); i++)
        if (wr_starts_with(line, markers[i].prefix))
            wr_progress_phase(&p->bar, markers[i].phase, 0, 0);
    if (fetching(p, line) || new_round(p, line))
        return;
    if (wr_starts_with(line, "Get:") && p->packages)
        wr_progress_phase(&p->bar, "downloading", strtoul(line + 4, NULL, 10), p->packages);
    else if (wr_starts_with(line, "Unpacking "))
        wr_progress_phase(&p->bar, "unpacking", ++p->unpacked, p->packages);
    else if (wr_starts_with(line, "Setting up "))
        wr_progress_phase(&p->bar, "configuring", ++p->configured, p->packages);
}

const char *wr_make_progress_reason(const struct wr_make_progress *p)
{
    if (p->reason[0] || p->last_count == 0)
        return p->reason;
    return p->last[(p->last_count - 1) % WR_MAKE_LOG_LINES];
}

void wr_make_progress_tick(void *data)
{
    struct wr_make_progress *p = data;
    wr_progress_tick(&p->bar);
}

void wr_make_progress_dump(struct wr_make_progress *p)
{
    wr_progress_end(&p->bar);
    if (!p->bar.out)
        return;
    size_t count = WR_MIN(p->last_count, (size_t)WR_MAKE_LOG_LINES);
    for (size_t i = p->last_count - count; i < p->last_count; i++)
        fprintf(p->bar.out, "  %s\n", p->last[i % WR_MAKE_LOG_LINES]);
    fflush(p->bar.out);
}
