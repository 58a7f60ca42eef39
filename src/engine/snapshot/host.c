#include "engine/snapshot/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/utsname.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/parse.h"
#include "base/str.h"

/* Of hundreds of processors each with its flags; the first one's are all that is looked at. */
#define MAX_CPUINFO_BYTES (16 * WR_MIB)
#define MAX_FEATURES      512
#define NAMED_MISSING     3

/*
 * What programs on x86-64 ask CPUID for and then execute. The other flags are about the kernel, the
 * hypervisor and mitigations; other kernels show other sets of those on the same processor, and
 * nothing in an image depends on them. Sorted.
 */
static const char x86_features[] =
    "3dnow 3dnowext 3dnowprefetch abm adx aes amx_bf16 amx_complex amx_fp16 amx_int8 amx_tile "
    "avx avx10 avx2 avx512_4fmaps avx512_4vnniw avx512_bf16 avx512_bitalg avx512_fp16 "
    "avx512_vbmi2 avx512_vnni avx512_vp2intersect avx512_vpopcntdq avx512bw avx512cd avx512dq "
    "avx512er avx512f avx512ifma avx512pf avx512vbmi avx512vl avx_ifma avx_ne_convert "
    "avx_vnni avx_vnni_int16 avx_vnni_int8 bmi1 bmi2 cldemote clflush clflushopt clwb clzero "
    "cmov cmpccxadd cx16 cx8 enqcmd erms f16c fma fma4 fpu fsgsbase fsrm fxsr fxsr_opt gfni "
    "hle lahf_lm lm lwp misalignsse mmx mmxext movbe movdir64b movdiri mwaitx ospke pclmulqdq "
    "pku pni popcnt rdpid rdrand rdseed rdtscp rtm serialize sha512 sha_ni sm3 sm4 sse sse2 "
    "sse4_1 sse4_2 sse4a ssse3 syscall tbm tsc user_shstk vaes vpclmulqdq waitpkg xgetbv1 xop "
    "xsave xsavec xsaveopt";

/* Where the features are, by machine; no table: all of them count. */
static const struct machine {
    const char *name;
    const char *line; /* of /proc/cpuinfo: what it begins with */
    const char *features;
} machines[] = {
    {"x86_64", "flags", x86_features},
    {"aarch64", "Features", NULL},
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next word of a line: its length, 0 at the end. *text is moved to it. */
static size_t next_word(const char **text)
{
    while (is_blank(**text))
        ++*text;
    return strcspn(*text, " \t\n");
}

static bool has_word(const char *line, const char *word, size_t len)
{
    for (size_t n = next_word(&line); n > 0; line += n, n = next_word(&line))
        if (n == len && memcmp(line, word, len) == 0)
            return true;
    return false;
}

/* What follows "<name> : ", or NULL. */
static const char *find_line(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) != 0)
            continue;
        const char *rest = line + len;
        while (is_blank(*rest))
            rest++;
        if (*rest == ':')
            return rest + 1;
    }
    return NULL;
}

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, joined by blanks. False when it does not fit. */
static bool join_sorted(char *line, char *ret)
{
    const char *words[MAX_FEATURES];
    size_t count = 0, used = 0;
    char *rest = NULL;
    for (char *word = strtok_r(line, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        if (count == WR_ARRAY_SIZE(words))
            return false;
        words[count++] = word;
    }
    qsort(words, count, sizeof(words[0]), compare_words);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(words[i]);
        if (used + len + 2 > WR_HOST_FEATURES_MAX)
            return false;
        if (i > 0)
            ret[used++] = ' ';
        memcpy(ret + used, words[i], len);
        used += len;
    }
    ret[used] = '\0';
    return count > 0;
}

/* Those of `known` that are in the line, in the order of `known`, which is shorter than `ret`. */
static bool pick(const char *known, const char *line, char *ret)
{
    size_t used = 0;
    for (size_t n = next_word(&known); n > 0; known += n, n = next_word(&known)) {
        if (!has_word(line, known, n))
            continue;
        if (used > 0)
            ret[used++] = ' ';
        memcpy(ret + used, known, n);
        used += n;
    }
    ret[used] = '\0';
    return used > 0;
}

static bool read_features(const struct machine *m, const char *line, char *ret)
{
    if (m->features)
        return pick(m->features, line, ret);
    wr_auto_free char *copy = wr_strndup(line, strcspn(line, "\n"));
    return copy && join_sorted(copy, ret);
}

_Static_assert(sizeof(x86_features) <= WR_HOST_FEATURES_MAX, "all of them fit");

int wr_host_features(const char *machine, const char *cpuinfo, char ret[WR_HOST_FEATURES_MAX],
                     struct wr_error *err)
{
    char features[WR_HOST_FEATURES_MAX];
    for (size_t i = 0; i < WR_ARRAY_SIZE(machines); i++) {
        if (!wr_streq(machine, machines[i].name))
            continue;
        const char *line = find_line(cpuinfo, machines[i].line);
        if (!line || !read_features(&machines[i], line, features))
            break;
        memcpy(ret, features, sizeof(features));
        return 0;
    }
    return wr_fail(err, WR_E_INTERNAL, 0,
                   "/proc/cpuinfo does not tell the features of this processor (%.40s)", machine);
}

int wr_host_read(struct wr_host *ret, struct wr_error *err)
{
    struct wr_host host = {.criu = ""};
    struct utsname names;
    wr_auto_buf text = WR_BUF(MAX_CPUINFO_BYTES);
    if (uname(&names) < 0 || !wr_strcopy(host.kernel, sizeof(host.kernel), names.release) ||
        !wr_strcopy(host.machine, sizeof(host.machine), names.machine))
        return wr_fail_errno(err, WR_E_INTERNAL, "name of the kernel");
    int rc = wr_file_read(AT_FDCWD, "/proc/cpuinfo", &text);
    const char *cpuinfo = rc == 0 ? wr_buf_cstr(&text) : NULL;
    if (!cpuinfo)
        return wr_fail(err, WR_E_INTERNAL, rc < 0 ? -rc : ENOMEM, "read /proc/cpuinfo");
    rc = wr_host_features(host.machine, cpuinfo, host.features, err);
    if (rc == 0)
        *ret = host;
    return rc;
}

/* "6.18.44-x" -> 6, 18. */
static bool kernel_version(const char *release, uint64_t *ret_major, uint64_t *ret_minor)
{
    char text[2][8];
    size_t major = strspn(release, "0123456789");
    if (release[major] != '.')
        return false;
    size_t minor = strspn(release + major + 1, "0123456789");
    return wr_strformat(text[0], sizeof(text[0]), "%.*s", (int)WR_MIN(major, 8U), release) &&
           wr_strformat(text[1], sizeof(text[1]), "%.*s", (int)WR_MIN(minor, 8U),
                        release + major + 1) &&
           wr_parse_u64(text[0], 0, UINT32_MAX, ret_major) == 0 &&
           wr_parse_u64(text[1], 0, UINT32_MAX, ret_minor) == 0;
}

static bool kernel_fits(const char *saved, const char *here)
{
    uint64_t saved_major = 0, saved_minor = 0, major = 0, minor = 0;
    if (!kernel_version(saved, &saved_major, &saved_minor) || !kernel_version(here, &major, &minor))
        return false;
    return major != saved_major ? major > saved_major : minor >= saved_minor;
}

/* The first few that are missing, "" for none. */
static void missing_features(const char *saved, const char *here, char *ret, size_t cap)
{
    char list[NAMED_MISSING * 40] = "";
    size_t count = 0, used = 0;
    for (size_t n = next_word(&saved); n > 0; saved += n, n = next_word(&saved)) {
        if (has_word(here, saved, n))
            continue;
        if (++count > NAMED_MISSING)
            continue;
        int len = snprintf(list + used, sizeof(list) - used, "%s%.*s", used ? ", " : "",
                           (int)WR_MIN(n, 30U), saved);
        used += len > 0 ? (size_t)len : 0;
    }
    if (count > NAMED_MISSING)
        (void)snprintf(ret, cap, "%s and %zu more", list, count - NAMED_MISSING);
    else
        (void)snprintf(ret, cap, "%s", list);
}

#define REMEDY "; {\"memory\": false} resumes it from its files only"

int wr_host_fits(const struct wr_host *saved, const struct wr_host *here, struct wr_error *err)
{
    char missing[160];
    if (!wr_streq(saved->machine, here->machine))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "its memory was saved on %.20s, and this host is %.20s" REMEDY,
                       saved->machine, here->machine);
    if (!kernel_fits(saved->kernel, here->kernel))
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "its memory was saved on Linux %.40s, newer than %.40s here" REMEDY,
                       saved->kernel, here->kernel);
    missing_features(saved->features, here->features, missing, sizeof(missing));
    if (missing[0])
        return wr_fail(err, WR_E_FAILED_PRECONDITION, 0,
                       "it was saved on a processor with %.120s, which this one lacks" REMEDY,
                       missing);
    return 0;
}
