#include "interpreter/text.h"

#include "interpreter/limits.h"

void wr_text_init(struct wr_text *text, struct wr_loop *loop, const struct wr_text_ops *ops,
                  void *owner)
{
    *text =
        (struct wr_text){.loop = loop, .ops = ops, .owner = owner, .held = WR_BUF(WR_TEXT_MERGED)};
}

void wr_text_done(struct wr_text *text)
{
    wr_timer_stop(&text->timer);
    wr_buf_done(&text->held);
}

static bool ends_line(const struct wr_text *text)
{
    return wr_buf_ptr(&text->held)[text->held.len - 1] == '\n';
}

/* Whether a piece goes into the same message as the text that is held. */
static bool joins(const struct wr_text *text, enum wr_stream stream, const char *data, size_t len)
{
    if (text->apart || stream != text->stream || len > wr_buf_room(&text->held))
        return false;
    /* A lone line break is the end of a print() whose text ended with one. */
    return !ends_line(text) || (len == 1 && data[0] == '\n') ||
           text->ops->room(text->owner) != WR_TEXT_FREE;
}

void wr_text_flush(struct wr_text *text)
{
    wr_timer_stop(&text->timer);
    if (text->held.len == 0)
        return;
    text->ops->emit(text->owner, text->stream, wr_buf_ptr(&text->held), text->held.len);
    wr_buf_clear(&text->held);
}

static void on_timer(struct wr_timer *timer, void *data);

static void arm(struct wr_text *text, uint64_t delay_ms)
{
    struct wr_error err;

    /* Without memory for a timer the text goes out now. */
    if (wr_timer_start(text->loop, &text->timer, delay_ms, on_timer, text, &err) < 0)
        wr_text_flush(text);
}

static void on_timer(struct wr_timer *timer, void *data)
{
    struct wr_text *text = data;

    (void)timer;
    if (text->ops->room(text->owner) == WR_TEXT_BLOCKED)
        arm(text, WR_TEXT_OPEN_MS);
    else
        wr_text_flush(text);
}

void wr_text_add(struct wr_text *text, enum wr_stream stream, const char *data, size_t len)
{
    if (len == 0)
        return;
    if (text->held.len > 0 && !joins(text, stream, data, len))
        wr_text_flush(text);
    size_t full = text->ops->room(text->owner) == WR_TEXT_FREE ? WR_TEXT_FULL : WR_TEXT_MERGED;
    bool alone = text->held.len == 0 && (text->apart || len >= full);
    if (alone || wr_buf_append(&text->held, data, len) < 0) {
        wr_text_flush(text);
        text->ops->emit(text->owner, stream, data, len);
        return;
    }
    text->stream = stream;
    if (text->held.len >= full) {
        wr_text_flush(text);
        wr_buf_trim(&text->held, 0);
    } else {
        arm(text, ends_line(text) ? WR_TEXT_LINE_MS : WR_TEXT_OPEN_MS);
    }
}
