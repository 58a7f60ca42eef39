#include "template/progress.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define TERMINAL_EVERY_MS 100
#define PLAIN_EVERY_MS    5000
#define PLAIN_PHASE_MS    1000 /* phases that follow each other faster share a line */
#define BAR_WIDTH         24

void wr_progress_init(struct wr_progress *p, FILE *out, const char *unit)
{
    *p = (struct wr_progress){.out = out,
                              .terminal = out && isatty(fileno(out)),
                              .unit = unit,
                              .started_ms = wr_mono_ms()};
}

static void bar(const struct wr_progress *p)
{
    uint64_t filled = p->total ? WR_MIN(p->done, p->total) * BAR_WIDTH / p->total : 0;
    fputs("\r\033[K[", p->out);
    for (uint64_t i = 0; i < BAR_WIDTH; i++)
        fputc(i < filled ? '#' : ' ', p->out);
    fputs("] ", p->out);
}

static void show(struct wr_progress *p)
{
    uint64_t now_ms = wr_mono_ms();
    if (p->terminal)
        bar(p);
    fprintf(p->out, "%s", p->phase);
    if (p->total)
        fprintf(p->out, " %llu/%llu %s", (unsigned long long)p->done, (unsigned long long)p->total,
                p->unit);
    else if (p->done)
        fprintf(p->out, " %llu %s", (unsigned long long)p->done, p->unit);
    fprintf(p->out, " (%llu s)%s", (unsigned long long)((now_ms - p->started_ms) / 1000),
            p->terminal ? "" : "\n");
    fflush(p->out);
    p->shown_ms = now_ms;
    memcpy(p->shown, p->phase, sizeof(p->shown));
}

void wr_progress_phase(struct wr_progress *p, const char *phase, uint64_t done, uint64_t total)
{
    (void)!wr_strcopy(p->phase, sizeof(p->phase),
                      phase); /* an empty phase is better than a failed build */
    p->done = done;
    p->total = total;
    uint64_t since_ms = wr_mono_ms() - p->shown_ms;
    if (p->out && !wr_streq(p->phase, p->shown) && (p->terminal || since_ms >= PLAIN_PHASE_MS))
        show(p);
    else
        wr_progress_tick(p);
}

void wr_progress_tick(struct wr_progress *p)
{
    uint64_t every_ms = p->terminal ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS;
    if (p->out && p->phase[0] && wr_mono_ms() - p->shown_ms >= every_ms)
        show(p);
}

void wr_progress_end(struct wr_progress *p)
{
    if (p->out && p->terminal && p->shown[0])
        fputs("\r\033[K", p->out);
    if (p->out)
        fflush(p->out);
    p->shown[0] = '\0';
}
