#include "talk.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/message.h"
#include "test.h"

struct talk talk_start(const struct wr_driver_ops *ops)
{
    struct talk talk = {.sock = -1};
    int pair[2];
    CHECK_INT(wr_message_pair(pair), 0);
    talk.engine = fork();
    if (talk.engine == 0) {
        const struct wr_engine_opts opts = {.data_dir = "/", .run_dir = "/", .fake = true};
        close(pair[0]);
        (void)signal(SIGPIPE, SIG_IGN);
        _exit(wr_engine_run_driver(ops ? ops : &wr_driver_fake, &opts, pair[1], -1));
    }
    close(pair[1]);
    talk.sock = pair[0];
    peer_recv(talk.sock, &talk.reply);
    CHECK_INT(talk.reply.header.kind, WR_EVENT_READY | WR_ACTION_EVENT);
    CHECK_INT(talk.reply.header.sequence, 0);
    CHECK_INT(talk_number(&talk, "pid"), talk.engine);
    return talk;
}

int talk_ended(const struct talk *talk)
{
    int status = -1;
    CHECK(waitpid(talk->engine, &status, 0) == talk->engine);
    return status;
}

static int outcome(struct talk *talk)
{
    for (size_t i = 0; i < talk->reply.fd_count; i++)
        close(talk->reply.fds[i]);
    if (!(talk->reply.header.flags & WR_ACTION_FLAG_ERROR))
        return 0;
    CHECK(strlen(peer_str(&talk->reply, "message")) > 0);
    CHECK(talk_number(talk, "code") > 0);
    return (int)talk_number(talk, "code");
}

int talk_call(struct talk *talk, unsigned kind, const char *format, ...)
{
    char json[4096];
    va_list ap;
    va_start(ap, format);
    CHECK(vsnprintf(json, sizeof(json), format, ap) < (int)sizeof(json));
    va_end(ap);
    peer_call(talk->sock, kind, json, &talk->reply);
    return outcome(talk);
}

int talk_answer(struct talk *talk, unsigned kind, uint32_t sequence)
{
    peer_answer(talk->sock, kind, sequence, &talk->reply);
    return outcome(talk);
}

void talk_hold(struct talk *talk)
{
    CHECK_INT(talk_call(talk, WR_ACTION_CHECKPOINT, "{}"), 0);
}

long long talk_number(const struct talk *talk, const char *key)
{
    const json_t *value = json_object_get(talk->reply.json, key);
    if (!json_is_integer(value))
        wr_test_fail(__FILE__, __LINE__, "%s is no number", key);
    return json_integer_value(value);
}

bool talk_true(const struct talk *talk, const char *key)
{
    const json_t *value = json_object_get(talk->reply.json, key);
    if (!json_is_boolean(value))
        wr_test_fail(__FILE__, __LINE__, "%s is no boolean", key);
    return json_is_true(value);
}

const json_t *talk_listed(struct talk *talk, const char *id)
{
    size_t i;
    json_t *entry;
    CHECK_INT(talk_call(talk, WR_ACTION_LIST, "{}"), 0);
    json_array_foreach(json_object_get(talk->reply.json, "sandboxes"), i, entry)
        if (strcmp(json_string_value(json_object_get(entry, "id")), id) == 0)
            return entry;
    return NULL;
}

const char *talk_level(struct talk *talk, const char *id)
{
    const json_t *entry = talk_listed(talk, id);
    return entry ? json_string_value(json_object_get(entry, "level")) : "";
}
