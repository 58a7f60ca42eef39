#include "interpreter/limits.h"
#include "interpreter/text.h"
#include "test.h"

#define MAX_MESSAGES 64

static struct wr_loop *loop;
static struct wr_text text;
static enum wr_text_room room;
static size_t count;
static char messages[MAX_MESSAGES][64]; /* beginnings, with the stream in front */
static size_t lengths[MAX_MESSAGES];

static void emit(void *owner, enum wr_stream stream, const char *data, size_t len)
{
    (void)owner;
    CHECK(count < MAX_MESSAGES);
    snprintf(messages[count], sizeof(messages[count]), "%c%.*s",
             stream == WR_STREAM_STDOUT ? 'o' : 'e', (int)(len < 60 ? len : 60), data);
    lengths[count++] = len;
}

static enum wr_text_room get_room(void *owner)
{
    (void)owner;
    return room;
}

static void begin(void)
{
    static const struct wr_text_ops ops = {.emit = emit, .room = get_room};
    struct wr_error err;

    CHECK_INT(wr_loop_new(&loop, &err), 0);
    wr_text_init(&text, loop, &ops, NULL);
}

static void end(void)
{
    wr_text_done(&text);
    loop = wr_loop_free(loop);
}

static void out(const char *piece)
{
    wr_text_add(&text, WR_STREAM_STDOUT, piece, strlen(piece));
}

static void wait_for(size_t messages_wanted)
{
    struct wr_error err;
    for (int i = 0; i < 1000 && count < messages_wanted; i++)
        CHECK_INT(wr_loop_step(loop, 10, &err), 0);
    CHECK_INT(count, messages_wanted);
}

TEST(one_print_is_one_message)
{
    begin();
    out("hello");
    out("\n");
    CHECK_INT(count, 0);
    wr_text_flush(&text);
    CHECK_INT(count, 1);
    CHECK_STR(messages[0], "ohello\n");
    wr_text_flush(&text);
    CHECK_INT(count, 1);
    end();
}

TEST(each_line_is_its_own)
{
    begin();
    out("one\n");
    out("two");
    CHECK_INT(count, 1);
    CHECK_STR(messages[0], "oone\n");
    out("\n");
    out("\n"); /* print("three\n") and the like */
    CHECK_INT(count, 1);
    wr_text_flush(&text);
    CHECK_STR(messages[1], "otwo\n\n");
    end();
}

TEST(streams_are_apart)
{
    begin();
    out("a");
    wr_text_add(&text, WR_STREAM_STDERR, "b", 1);
    CHECK_STR(messages[0], "oa");
    out("c");
    CHECK_STR(messages[1], "eb");
    wr_text_flush(&text);
    CHECK_STR(messages[2], "oc");
    end();
}

TEST(held_text_goes_out_by_itself)
{
    begin();
    out("a line\n");
    wait_for(1);
    out("no line");
    wait_for(2);
    CHECK_STR(messages[1], "ono line");
    end();
}

TEST(much_text_goes_out_at_once)
{
    static char big[WR_TEXT_FULL];

    begin();
    memset(big, 'x', sizeof(big));
    wr_text_add(&text, WR_STREAM_STDOUT, big, sizeof(big));
    CHECK_INT(count, 1);
    out("y");
    wr_text_add(&text, WR_STREAM_STDOUT, big, sizeof(big));
    CHECK_INT(count, 2);
    CHECK_INT(lengths[1], WR_TEXT_FULL + 1);
    end();
}

TEST(a_slow_client_gets_fewer_messages)
{
    begin();
    room = WR_TEXT_BUSY;
    for (size_t i = 0; i < WR_TEXT_MERGED; i += 4)
        out("abc\n");
    CHECK_INT(count, 1);
    CHECK_INT(lengths[0], WR_TEXT_MERGED);
    end();
}

TEST(nothing_goes_out_while_it_is_blocked)
{
    struct wr_error err;

    begin();
    room = WR_TEXT_BLOCKED;
    out("a line\n");
    for (int i = 0; i < 20; i++)
        CHECK_INT(wr_loop_step(loop, 5, &err), 0);
    CHECK_INT(count, 0);
    room = WR_TEXT_FREE;
    wait_for(1);
    end();
}

TEST(pieces_can_be_kept_apart)
{
    begin();
    text.apart = true;
    out("Hello, World!");
    out("\n");
    CHECK_INT(count, 2);
    CHECK_STR(messages[0], "oHello, World!");
    CHECK_STR(messages[1], "o\n");
    end();
}
