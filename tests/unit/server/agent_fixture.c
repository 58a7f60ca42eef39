#include "agent_fixture.h"

#include <arpa/inet.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "engine/action.h"
#include "server_fixture.h"
#include "test.h"

static void find_field(const char *request, const char *name, char out[static 256])
{
    const char *field = strstr(request, name);
    const char *value = field ? field + strlen(name) : "";
    size_t len = strcspn(value, "\r");

    CHECK(len < 256);
    memcpy(out, value, len);
    out[len] = '\0';
}

static void answer(struct agent_script *script, const char *request, char *out, size_t cap)
{
    const char *body = strstr(request, "\r\n\r\n");
    int status = 200;

    if (strstr(request, "GET /health ") == request) {
        script->health++;
        status = 204;
    } else if (strstr(request, "POST /init ") == request) {
        CHECK(wr_strcopy(script->body, sizeof script->body, body + 4));
        find_field(request, "X-Warren-Control: ", script->control);
        status = script->init_status;
        script->inits++;
    } else {
        script->others++;
    }
    CHECK(wr_strformat(out, cap, "HTTP/1.1 %d X\r\n%s", status,
                       status == 204   ? "\r\n"
                       : status == 200 ? "Content-Length: 2\r\n\r\nhi"
                                       : "Content-Length: 0\r\n\r\n"));
}

/* Requests come in one piece: they are small, and written at once. */
static void serve_one(struct agent_script *script, int fd)
{
    char request[8192], text[1024];
    ssize_t n;

    while (!script->silent && (n = read(fd, request, sizeof request - 1)) > 0) {
        request[n] = '\0';
        answer(script, request, text, sizeof text);
        if (wr_write_all(fd, text, strlen(text)) < 0)
            break;
    }
    _exit(0);
}

struct agent_script *agent_start(pid_t *ret_pid)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(WR_AGENT_PORT),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct agent_script *script =
        mmap(NULL, sizeof *script, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(script != MAP_FAILED);
    script->init_status = 204;
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0);
    CHECK(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 16) == 0);
    *ret_pid = fork();
    CHECK(*ret_pid >= 0);
    if (*ret_pid > 0) {
        close(fd);
        return script;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    for (;;) {
        int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        pid_t child = client < 0 ? -1 : fork();
        if (child < 0)
            _exit(1);
        if (child == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve_one(script, client);
        }
        close(client);
    }
}

void agent_stop(pid_t pid, struct agent_script *script)
{
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK_INT(exit_of(pid), 1000 + SIGKILL);
    CHECK(munmap(script, sizeof *script) == 0);
}
