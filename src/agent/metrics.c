#include "agent/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/statfs.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/str.h"
#include "json/jwrite.h"

#define PROC_FILE_MAX ((size_t)1024 * 1024)
#define STAT_COLUMNS  8 /* user nice system idle iowait irq softirq steal */
#define STAT_IDLE     3
#define STAT_IOWAIT   4

static bool read_cpu(struct wr_cpu_sample *ret)
{
    char line[256];
    struct wr_cpu_sample sample = {0};

    if (wr_file_read_line(AT_FDCWD, "/proc/stat", line, sizeof(line)) < 0 ||
        !wr_starts_with(line, "cpu "))
        return false;
    char *at = line + 4;
    for (int column = 0; column < STAT_COLUMNS; column++) {
        uint64_t ticks = strtoull(at, &at, 10);
        sample.total += ticks;
        if (column != STAT_IDLE && column != STAT_IOWAIT)
            sample.busy += ticks;
    }
    *ret = sample;
    return true;
}

static double used_percent(const struct wr_cpu_sample *before, const struct wr_cpu_sample *now)
{
    if (now->total <= before->total || now->busy < before->busy)
        return 0;
    return 100.0 * (double)(now->busy - before->busy) / (double)(now->total - before->total);
}

/* "MemTotal:   123 kB" -> bytes; 0 when it is not there. */
static uint64_t meminfo(const char *text, const char *key)
{
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) * WR_KIB : 0;
}

static unsigned cpu_count(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

int wr_metrics_write(struct wr_buf *out, struct wr_cpu_sample *cpu)
{
    wr_auto_buf text = WR_BUF(PROC_FILE_MAX);
    struct wr_cpu_sample now = *cpu;
    struct statfs fs = {0};
    const char *info = "";
    struct wr_jw w;

    if (wr_file_read(AT_FDCWD, "/proc/meminfo", &text) == 0) {
        info = wr_buf_cstr(&text);
        if (!info)
            return -ENOMEM;
    }
    uint64_t total = meminfo(info, "MemTotal:");
    uint64_t available = meminfo(info, "MemAvailable:");
    uint64_t used = total > available ? total - available : 0;
    bool has_cpu = read_cpu(&now);
    uint64_t block = statfs("/", &fs) == 0 ? (uint64_t)fs.f_bsize : 0;

    wr_jw_init(&w, out);
    wr_jw_object(&w);
    wr_jw_ku64(&w, "ts", wr_wall_ms() / 1000);
    wr_jw_ku64(&w, "cpu_count", cpu_count());
    wr_jw_key(&w, "cpu_used_pct");
    wr_jw_double(&w, has_cpu ? used_percent(cpu, &now) : 0, 2);
    wr_jw_ku64(&w, "mem_total_mib", total / WR_MIB);
    wr_jw_ku64(&w, "mem_used_mib", used / WR_MIB);
    wr_jw_ku64(&w, "mem_total", total);
    wr_jw_ku64(&w, "mem_used", used);
    wr_jw_ku64(&w, "mem_cache", meminfo(info, "\nCached:"));
    wr_jw_ku64(&w, "disk_used", (fs.f_blocks - fs.f_bfree) * block);
    wr_jw_ku64(&w, "disk_total", fs.f_blocks * block);
    wr_jw_end(&w);
    *cpu = now;
    return wr_jw_finish(&w);
}
