#include "agent/identity.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sha256.h"
#include "base/str.h"

#define DIRECTORY      "/run/e2b"
#define MACHINE_ID     "/etc/machine-id"
#define MACHINE_ID_LEN 32 /* hex digits, and a line break behind them */
#define HOSTS          "/etc/hosts"
#define HOSTS_MAX      65536 /* larger ones are not the sandbox's own any more */

static void write_marker(const char *path, const char *text)
{
    wr_auto_close int fd =
        open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0644);
    if (fd >= 0)
        (void)!wr_write_all(fd, text, strlen(text));
}

static void write_markers(const struct wr_agent_config *config)
{
    (void)!mkdir(DIRECTORY, 0755);
    write_marker(DIRECTORY "/.E2B_SANDBOX", "true");
    write_marker(DIRECTORY "/.E2B_SANDBOX_ID", config->sandbox_id);
    write_marker(DIRECTORY "/.E2B_TEMPLATE_ID", config->template_name);
}

/* An existing regular file, with its size; -1 when it is none. */
static int open_regular(const char *path, int flags, off_t *ret_size)
{
    struct stat st;
    wr_auto_close int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return -1;
    *ret_size = st.st_size;
    return wr_steal_fd(&fd);
}

/* The same for every start of one sandbox, and another one in each. */
static void write_machine_id(int fd, const char *sandbox_id)
{
    char text[2 * WR_SHA256_LEN + 1];

    wr_sha256_hex(sandbox_id, strlen(sandbox_id), text);
    text[MACHINE_ID_LEN] = '\n';
    /* Whoever reads it meanwhile never sees it empty. */
    if (pwrite(fd, text, MACHINE_ID_LEN + 1, 0) == MACHINE_ID_LEN + 1)
        (void)!ftruncate(fd, MACHINE_ID_LEN + 1);
}

/* Opening the template's file for writing would copy it, so that is looked at first. */
static void ensure_machine_id(const char *sandbox_id)
{
    struct stat st;
    off_t size = 0;

    if (lstat(MACHINE_ID, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > 0)
        return;
    wr_auto_close int fd = open_regular(MACHINE_ID, O_WRONLY, &size);
    if (fd >= 0 && size == 0)
        write_machine_id(fd, sandbox_id);
}

static void renew_machine_id(const char *sandbox_id)
{
    off_t size = 0;
    wr_auto_close int fd = open_regular(MACHINE_ID, O_WRONLY, &size);

    if (fd >= 0)
        write_machine_id(fd, sandbox_id);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

/* Both names have the same length. */
static bool replace_words(struct wr_buf *text, const char *from, const char *to)
{
    char *start = wr_buf_ptr(text), *end = start + text->len;
    const size_t len = strlen(from);
    bool found = false;

    for (char *at = start; (at = memmem(at, (size_t)(end - at), from, len)); at += len) {
        if ((at > start && is_word(at[-1])) || (at + len < end && is_word(at[len])))
            continue;
        memcpy(at, to, len);
        found = true;
    }
    return found;
}

static void rename_in_hosts(const char *old_id, const char *new_id)
{
    wr_auto_buf text = WR_BUF(HOSTS_MAX);
    off_t size = 0;
    wr_auto_close int in = open_regular(HOSTS, O_RDONLY, &size);

    if (in < 0 || size <= 0 || size > HOSTS_MAX || strlen(old_id) != strlen(new_id))
        return;
    char *to = wr_buf_reserve(&text, (size_t)size);
    ssize_t len = to ? wr_read_full(in, to, (size_t)size) : -1;
    if (len <= 0)
        return;
    wr_buf_commit(&text, (size_t)len);
    if (!replace_words(&text, old_id, new_id))
        return;
    wr_auto_close int out = open_regular(HOSTS, O_WRONLY, &size);
    if (out >= 0)
        (void)!wr_write_all(out, wr_buf_ptr(&text), text.len);
}

static void write_files(struct wr_idle *idle, void *data)
{
    const struct wr_agent *agent = data;

    (void)idle;
    write_markers(agent->config);
    ensure_machine_id(agent->config->sandbox_id);
}

void wr_identity_queue(struct wr_agent *agent)
{
    agent->identity.fn = write_files;
    agent->identity.data = agent;
    wr_idle_queue(agent->loop, &agent->identity);
}

void wr_identity_changed(struct wr_agent *agent, const char *old_id)
{
    const char *id = agent->config->sandbox_id;

    write_markers(agent->config);
    renew_machine_id(id);
    rename_in_hosts(old_id, id);
}
