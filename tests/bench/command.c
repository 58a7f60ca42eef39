#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

int wr_command_parse(char *text, struct wr_command_line *ret, struct wr_error *err)
{
    struct wr_command_line command = {.name = text};
    char *equals = strchr(text, '=');
    char *rest = NULL;
    size_t count = 0;

    if (!equals || equals == text)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "command \"%.80s\" is not NAME=WORDS", text);
    *equals = '\0';
    for (char *word = strtok_r(equals + 1, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (count == WR_COMMAND_MAX_ARGS)
            return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "command %s has too many words", text);
        command.words[count++] = word;
    }
    if (count == 0)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "command %s has no words", text);
    *ret = command;
    return 0;
}

static WR_NORETURN void child(char *const *words)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null_fd >= 0 && dup2(null_fd, 0) == 0 && dup2(null_fd, 1) == 1 && dup2(null_fd, 2) == 2)
        execv(words[0], words);
    _exit(127);
}

int wr_command_time(const struct wr_command_line *command, unsigned run, uint64_t *ret_us,
                    struct wr_error *err)
{
    char *words[WR_COMMAND_MAX_ARGS + 1];
    char number[16];
    int status = 0;

    if (!wr_strformat(number, sizeof(number), "run%u", run))
        return wr_fail(err, WR_E_INTERNAL, 0, "number of a run");
    for (size_t i = 0; i <= WR_COMMAND_MAX_ARGS; i++)
        words[i] =
            command->words[i] && wr_streq(command->words[i], "%u") ? number : command->words[i];
    uint64_t start_us = wr_mono_us();
    /* vfork: what this process holds must not count for the command. */
    pid_t pid = vfork();
    if (pid == 0)
        child(words);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "run %s", command->name);
    *ret_us = wr_mono_us() - start_us;
    if (status != 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "%s ended with status 0x%x", command->name,
                       (unsigned)status);
    return 0;
}
