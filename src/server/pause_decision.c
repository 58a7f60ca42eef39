#include "server/pause_decision.h"

#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/parse.h"

#define LEAST_LIFE_MS 15000
#define MAX_MEMINFO   8192
#define MAX_SWAPS     16384

enum wr_pause_level wr_pause_default_level(const struct wr_server_config *config)
{
    return config->pause.level == WR_PAUSE_NONE ? WR_PAUSE_HIBERNATED : config->pause.level;
}

/* Those that cannot be saved stay as they are. */
static bool is_shallow(const struct wr_sandbox *sandbox, enum wr_pause_level level)
{
    bool can = level == WR_PAUSE_PAGED ? !*sandbox->pause_reason
                                       : !*sandbox->pause_reason || sandbox->unpaged;

    return sandbox->state == WR_SANDBOX_PAUSED && sandbox->level < level && can;
}

static struct wr_sandbox *oldest_above(struct wr_sandbox_table *table, enum wr_pause_level level,
                                       uint64_t mono_ms)
{
    struct wr_sandbox *oldest = NULL;

    wr_list_foreach(it, wr_sandbox_table_all(table)) {
        struct wr_sandbox *sandbox = wr_list_entry(it, struct wr_sandbox, link);
        if (is_shallow(sandbox, level) && !sandbox->transition && !sandbox->saving &&
            sandbox->deepen_after_ms <= mono_ms &&
            (!oldest || sandbox->paused_ms < oldest->paused_ms))
            oldest = sandbox;
    }
    return oldest;
}

static bool is_due(const struct wr_sandbox *sandbox, uint64_t after_ms, uint64_t now_ms)
{
    return sandbox && after_ms && now_ms >= sandbox->paused_ms + after_ms;
}

struct wr_sandbox *wr_pause_next(struct wr_sandbox_table *table,
                                 const struct wr_pause_config *config,
                                 const struct wr_pause_view *view, enum wr_pause_level *ret_level)
{
    struct wr_sandbox *oldest = oldest_above(table, WR_PAUSE_HIBERNATED, view->mono_ms);

    *ret_level = WR_PAUSE_HIBERNATED;
    if (!oldest || view->all || view->free_pct < config->low_memory_pct ||
        is_due(oldest, config->hibernate_after_ms, view->now_ms))
        return oldest;
    if (!view->swap || config->page_after_ms == 0)
        return NULL;
    *ret_level = WR_PAUSE_PAGED;
    oldest = oldest_above(table, WR_PAUSE_PAGED, view->mono_ms);
    return is_due(oldest, config->page_after_ms, view->now_ms) ? oldest : NULL;
}

/* Behind the heading. */
bool wr_pause_has_swap(const char *swaps)
{
    const char *line = strchr(swaps, '\n');

    return line && line[1];
}

/* 0 when it is not there. */
static uint64_t find_kib(const char *meminfo, const char *name)
{
    const char *at = strstr(meminfo, name);
    uint64_t kib = 0;
    char digits[24];

    if (!at)
        return 0;
    at += strlen(name);
    at += strspn(at, " ");
    size_t len = strspn(at, "0123456789");
    if (len == 0 || len >= sizeof digits)
        return 0;
    memcpy(digits, at, len);
    digits[len] = '\0';
    return wr_parse_u64(digits, 0, UINT64_MAX / 100, &kib) < 0 ? 0 : kib;
}

uint32_t wr_pause_free_pct(const char *meminfo)
{
    uint64_t total = find_kib(meminfo, "MemTotal:"), available = find_kib(meminfo, "MemAvailable:");

    return total == 0 || available > total ? 100 : (uint32_t)(available * 100 / total);
}

uint32_t wr_pause_host_free_pct(void)
{
    wr_auto_buf text = WR_BUF(MAX_MEMINFO);

    if (wr_file_read(AT_FDCWD, "/proc/meminfo", &text) < 0)
        return 100;
    const char *meminfo = wr_buf_cstr(&text);
    return meminfo ? wr_pause_free_pct(meminfo) : 100;
}

bool wr_pause_host_has_swap(void)
{
    wr_auto_buf text = WR_BUF(MAX_SWAPS);
    const char *swaps =
        wr_file_read(AT_FDCWD, "/proc/swaps", &text) == 0 ? wr_buf_cstr(&text) : NULL;

    return swaps && wr_pause_has_swap(swaps);
}

uint64_t wr_pause_remaining_ms(uint64_t deadline_ms, uint64_t paused_ms, uint64_t max_ms)
{
    uint64_t left_ms = deadline_ms > paused_ms ? deadline_ms - paused_ms : 0;

    return WR_MIN(WR_MAX(left_ms, (uint64_t)LEAST_LIFE_MS), max_ms);
}
