/*
 * Issues raw system calls and reports what the kernel says. Lines on standard input: "ABI NUMBER
 * ARGUMENT..." with ABI 64, x32 or i386; an argument is a number, "str" (a path), "mem" (zeroed
 * memory), "fd" (of a directory) or "tty" (the slave of a new pty). Each call runs in a child, so
 * one that works does no harm to the next. Output per line: the result, or minus errno; "signal N"
 * when the child died.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define X32_BIT 0x40000000L

static char text[] = "/tmp";
/* Static, and the program is linked below 4 GiB, so that 32-bit calls can reach it too. */
static char memory[65536];

static long argument(const char *word)
{
    if (strcmp(word, "str") == 0)
        return (long)text;
    if (strcmp(word, "mem") == 0)
        return (long)memory;
    if (strcmp(word, "fd") == 0)
        return open("/", O_RDONLY | O_DIRECTORY);
    if (strcmp(word, "tty") == 0) {
        int master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
        char name[32];
        if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
            ptsname_r(master, name, sizeof(name)) != 0)
            return -1;
        return open(name, O_RDWR | O_NOCTTY);
    }
    return (long)strtoull(word, NULL, 0);
}

static long call(const char *abi, long number, const long *a)
{
    if (strcmp(abi, "i386") == 0) {
        long result;
        __asm__ volatile("push %%rbp\n\tmov %%r8, %%rbp\n\tint $0x80\n\tpop %%rbp"
                         : "=a"(result)
                         : "a"(number), "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                         : "memory", "cc", "r8", "r9", "r10", "r11");
        return (int)result;
    }
    if (strcmp(abi, "x32") == 0)
        number |= X32_BIT;
    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return result < 0 ? -errno : result;
}

static void run(char *line)
{
    long args[6] = {0};
    int report[2];
    char *words[8] = {0};
    int count = 0;

    for (char *word = strtok(line, " \n"); word && count < 8; word = strtok(NULL, " \n"))
        words[count++] = word;
    if (count < 2 || pipe2(report, O_CLOEXEC) < 0)
        exit(2);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t self = getpid();
        for (int i = 2; i < count; i++)
            args[i - 2] = argument(words[i]);
        long result = call(words[0], strtol(words[1], NULL, 0), args);
        if (getpid() != self)
            _exit(0); /* the child of a fork-like call */
        _exit(write(report[1], &result, sizeof(result)) != sizeof(result));
    }
    close(report[1]);
    long result = 0;
    int status = 0;
    ssize_t len = read(report[0], &result, sizeof(result));
    close(report[0]);
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        exit(2);
    if (len == sizeof(result))
        printf("%ld\n", result);
    else
        printf("signal %d\n", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    fflush(stdout);
}

int main(void)
{
    char line[512];

    while (fgets(line, sizeof(line), stdin))
        run(line);
    return 0;
}
