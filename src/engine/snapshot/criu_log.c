#include "engine/snapshot/criu_log.h"

#include "base/str.h"

#define LINE_MAX_BYTES 512
#define MARK           "Error ("
#define LOCKED         "a file of a volume that it had locked is locked by somebody else"

struct cause {
    const char *text; /* of the message in the log */
    enum wr_code code;
    const char *says;
};

/* The first that a line holds, in this order; lines before entries. */
static const struct cause dump_causes[] = {
    {"No space left on device", WR_E_RESOURCE_EXHAUSTED, "no space is left on the disk"},
    {"Disk quota exceeded", WR_E_RESOURCE_EXHAUSTED, "its memory is more than the disk may hold"},
    {"Cannot allocate memory", WR_E_RESOURCE_EXHAUSTED, "the host has too little memory"},
    /* The only kind of descriptor that the kernel does not pass on. */
    {"send_fds failed (-22)", WR_E_FAILED_PRECONDITION, "a process uses io_uring"},
    {"anon_inode:[io_uring]", WR_E_FAILED_PRECONDITION, "a process uses io_uring"},
    {"anon_inode:[userfaultfd]", WR_E_FAILED_PRECONDITION, "a process uses userfaultfd"},
    {"anon_inode:[perf_event]", WR_E_FAILED_PRECONDITION, "a process measures with perf events"},
    {" of that type [", WR_E_FAILED_PRECONDITION,
     "a process has an open file of a kind that cannot be saved"},
    {"Can't dump nested user namespace", WR_E_FAILED_PRECONDITION,
     "a process made a user namespace of its own"},
    {"Can't dump nested ", WR_E_FAILED_PRECONDITION, "a process made a namespace of its own"},
    {"Nested mount namespaces", WR_E_FAILED_PRECONDITION, "a process made a namespace of its own"},
    {"ctty inheritance", WR_E_FAILED_PRECONDITION,
     "a process holds a terminal (/dev/tty) whose session it has left"},
    {"found while seizing", WR_E_FAILED_PRECONDITION, "a process is traced, as by a debugger"},
    {"Unseizable", WR_E_FAILED_PRECONDITION, "a process is traced, as by a debugger"},
    {"size, increase limit", WR_E_FAILED_PRECONDITION,
     "a process has a deleted file of more than 1 GiB open"},
    {"Open files on overmounted mounts", WR_E_FAILED_PRECONDITION,
     "a process has a file open that a mount covers"},
    {"packetized mode", WR_E_FAILED_PRECONDITION, "a process has a pipe in packet mode (O_DIRECT)"},
    {"PIDFD_THREAD", WR_E_FAILED_PRECONDITION, "a process has a pidfd of a thread"},
    {"Individually stopped threads", WR_E_FAILED_PRECONDITION, "a thread alone was stopped"},
    {"Zombie", WR_E_FAILED_PRECONDITION, "a thread has ended and its process has not"},
};

static const struct cause restore_causes[] = {
    {"No space left on device", WR_E_RESOURCE_EXHAUSTED, "no space is left on the disk"},
    {"Disk quota exceeded", WR_E_RESOURCE_EXHAUSTED, "no space is left within its disk limit"},
    {"Cannot allocate memory", WR_E_RESOURCE_EXHAUSTED, "there is too little memory for it"},
    {" has bad size ", WR_E_DATA_LOSS, "a file is not the one that its processes had open"},
    {" has bad mode ", WR_E_DATA_LOSS, "a file is not the one that its processes had open"},
    {" has bad build-ID", WR_E_DATA_LOSS, "a program is not the one that was running"},
    {" on restore: No such file", WR_E_DATA_LOSS, "a file that its processes had open is missing"},
    {"Can not set flock", WR_E_FAILED_PRECONDITION, LOCKED},
    {"Can not set posix lock", WR_E_FAILED_PRECONDITION, LOCKED},
    {"Can not set ofd lock", WR_E_FAILED_PRECONDITION, LOCKED},
    {".img: No such file", WR_E_DATA_LOSS, "a file of the image is missing"},
};

static const struct {
    const struct cause *causes;
    size_t count;
    const char *failed, *unknown;
} actions[] = {
    [WR_CRIU_DUMP] = {dump_causes, WR_ARRAY_SIZE(dump_causes), "it cannot be saved",
                      "it could not be saved; criu says"},
    [WR_CRIU_RESTORE] = {restore_causes, WR_ARRAY_SIZE(restore_causes), "it cannot be restored",
                         "it could not be restored; criu says"},
};

/* The message of an error line; NULL for other lines and for the one that every log without
 * CAP_SYS_RESOURCE begins with. */
static const char *message_of(const char *line)
{
    const char *mark = strstr(line, MARK);
    const char *text = mark ? strstr(mark, "): ") : NULL;

    return text && !strstr(text, "RLIMIT_NOFILE") ? text + strlen("): ") : NULL;
}

static const struct cause *find_cause(enum wr_criu_action action, const char *message)
{
    for (size_t i = 0; i < actions[action].count; i++)
        if (strstr(message, actions[action].causes[i].text))
            return &actions[action].causes[i];
    return NULL;
}

int wr_criu_explain(enum wr_criu_action action, const char *log, struct wr_error *err)
{
    char line[LINE_MAX_BYTES], first[LINE_MAX_BYTES] = "", any[LINE_MAX_BYTES] = "";

    for (const char *at = log; *at;) {
        const size_t len = strcspn(at, "\n");
        const size_t kept = WR_MIN(len, sizeof(line) - 1);
        memcpy(line, at, kept);
        line[kept] = '\0';
        at += len + (at[len] == '\n');
        const char *message = message_of(line);
        const struct cause *cause = message ? find_cause(action, message) : NULL;
        if (cause)
            return wr_fail(err, cause->code, 0, "%s: %s", actions[action].failed, cause->says);
        char *keep = message ? first : any;
        if (!keep[0] && !wr_strcopy(keep, sizeof(first), message ? message : line))
            keep[0] = '\0';
    }
    const char *text = first[0] ? first : any[0] ? any : "nothing";
    (void)!wr_strcopy(line, sizeof(line), text); /* of the same size */
    wr_utf8_make_line(line);
    return wr_fail(err, WR_E_INTERNAL, 0, "%s: %.160s", actions[action].unknown, line);
}
