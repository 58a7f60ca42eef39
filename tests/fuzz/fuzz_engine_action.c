/*
 * What the server may send to the engine: the only privileged process, which trusts nothing of it.
 * Input: messages, each one byte (0 to 31: an action with the JSON that follows, else the message
 * as it is), a length (2 bytes, little endian) and that many bytes. Every answer is well-formed and
 * belongs to a request, and the engine ends as it should.
 */
#include <signal.h>
#include <unistd.h>

#include "engine/action.h"
#include "engine/engine.h"
#include "fuzz.h"
#include "json/jread.h"
#include "log/log.h"
#include "sys/message.h"

#define MAX_MESSAGES 8
#define LAST         0x7fffffffu

static struct {
    struct wr_action_header header;
    char text[WR_ACTION_MAX];
} message;

static void send_action(int sock, unsigned kind, uint32_t sequence, const void *json, size_t len)
{
    message.header = (struct wr_action_header){.magic = WR_ACTION_MAGIC,
                                               .version = WR_ACTION_VERSION,
                                               .kind = (uint16_t)kind,
                                               .sequence = sequence,
                                               .length = (uint32_t)len};
    memcpy(message.text, json, len);
    HOLDS(wr_message_send(sock, &message, sizeof(message.header) + len, NULL, 0) == 0);
}

/* Sends the messages of the input, then the one that ends the engine. */
static void send_all(int sock, const uint8_t *data, size_t size)
{
    uint32_t count = 0;

    while (size >= 3 && count < MAX_MESSAGES) {
        size_t len = (size_t)data[1] | (size_t)data[2] << 8;
        len = len < size - 3 ? len : size - 3;
        count++;
        if (data[0] < 32)
            send_action(sock, data[0], count, data + 3, len);
        else if (len > 0)
            HOLDS(wr_message_send(sock, data + 3, len, NULL, 0) == 0);
        data += 3 + len;
        size -= 3 + len;
    }
    send_action(sock, WR_ACTION_SHUTDOWN, LAST, "{}", 2);
}

/* One answer; false at the end. */
static bool check_answer(int sock)
{
    int fds[WR_MESSAGE_MAX_FDS];
    size_t fd_count = 0;
    wr_auto_json *json = NULL;
    struct wr_error err = {0};

    ssize_t len = wr_message_recv(sock, &message, sizeof(message), fds, &fd_count);
    if (len <= 0)
        return false;
    HOLDS(len >= (ssize_t)sizeof(message.header));
    HOLDS(message.header.magic == WR_ACTION_MAGIC &&
          message.header.length == (size_t)len - sizeof(message.header));
    HOLDS(wr_json_parse(message.text, message.header.length, &json, &err) == 0);
    HOLDS(message.header.sequence != 0 || (message.header.kind & WR_ACTION_EVENT));
    HOLDS(!(message.header.flags & WR_ACTION_FLAG_ERROR) || fd_count == 0);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    return true;
}

/* The fake's own can make an operation last until another message comes. */
static void no_hold(struct wr_driver *driver, struct wr_checkpoint *ret)
{
    (void)driver;
    *ret = (struct wr_checkpoint){.state = WR_CHECKPOINT_NONE, .reason = "fuzzing"};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct wr_engine_opts opts = {.data_dir = "/", .run_dir = "/", .fake = true};
    struct wr_driver_ops ops = wr_driver_fake;
    int pair[2];

    ops.checkpoint = no_hold;

    wr_log_init("fuzz", WR_LOG_ERROR);
    HOLDS(signal(SIGPIPE, SIG_IGN) != SIG_ERR && wr_message_pair(pair) == 0);
    send_all(pair[0], data, size);
    (void)wr_engine_run_driver(&ops, &opts, pair[1], -1);
    while (check_answer(pair[0])) {
    }
    close(pair[0]);
    return 0;
}
