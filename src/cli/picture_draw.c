#include "cli/picture_draw.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/encode.h"
#include "base/str.h"
#include "cli/picture_sixel.h"

#define KITTY_CHUNK 4096 /* bytes of base64 in one command, by its protocol */

/* What terminals say about themselves; the first row that fits counts. `part`: anywhere in the
 * value, "" for any value. */
static const struct {
    const char *variable, *part;
    enum wr_picture_protocol protocol;
} known_terminals[] = {
    /* Terminals inside terminals swallow or garble the sequences. */
    {"TMUX", "", WR_PICTURE_NONE},
    {"STY", "", WR_PICTURE_NONE},
    {"KITTY_WINDOW_ID", "", WR_PICTURE_KITTY},
    {"TERM", "kitty", WR_PICTURE_KITTY},
    {"TERM", "ghostty", WR_PICTURE_KITTY},
    {"TERM_PROGRAM", "ghostty", WR_PICTURE_KITTY},
    {"KONSOLE_VERSION", "", WR_PICTURE_KITTY},
    {"TERM_PROGRAM", "iTerm.app", WR_PICTURE_ITERM},
    {"LC_TERMINAL", "iTerm2", WR_PICTURE_ITERM},
    {"TERM_PROGRAM", "WezTerm", WR_PICTURE_ITERM},
    {"TERM_PROGRAM", "mintty", WR_PICTURE_ITERM},
    {"TERM", "sixel", WR_PICTURE_SIXEL},
    {"TERM", "foot", WR_PICTURE_SIXEL},
    {"TERM", "mlterm", WR_PICTURE_SIXEL},
    {"TERM", "contour", WR_PICTURE_SIXEL},
    {"TERM", "yaft", WR_PICTURE_SIXEL},
};

enum wr_picture_protocol wr_picture_protocol_choose(uint64_t choice)
{
    static const enum wr_picture_protocol forced[] = {
        WR_PICTURE_NONE, WR_PICTURE_KITTY, WR_PICTURE_ITERM, WR_PICTURE_SIXEL, WR_PICTURE_NONE};

    if (!isatty(STDOUT_FILENO))
        return WR_PICTURE_NONE;
    if (choice > 0 && choice < WR_ARRAY_SIZE(forced))
        return forced[choice];
    for (size_t i = 0; i < WR_ARRAY_SIZE(known_terminals); i++) {
        const char *value = getenv(known_terminals[i].variable);
        if (value && *value && strstr(value, known_terminals[i].part))
            return known_terminals[i].protocol;
    }
    return WR_PICTURE_NONE;
}

/* Width in pixels from the head of a PNG file; 0 when it is none. */
static uint32_t png_width(const struct wr_buf *bytes)
{
    static const unsigned char front[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    const unsigned char *at = (const unsigned char *)wr_buf_ptr(bytes);

    if (bytes->len < sizeof front - 1 + 8 || memcmp(at, front, sizeof front - 1) != 0)
        return 0;
    at += sizeof front - 1;
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* NULL without memory. */
static char *encode(const struct wr_buf *bytes, size_t *ret_len)
{
    char *text = wr_calloc(WR_BASE64_LEN(bytes->len) + 1, 1);

    if (text)
        *ret_len = wr_base64_encode(wr_buf_ptr(bytes), bytes->len, text);
    return text;
}

/* Wider than the window: as wide as the window. Nothing when the window's pixels are not known. */
static int append_kitty_width(const struct wr_buf *bytes, struct wr_buf *out)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_xpixel == 0 || size.ws_col == 0 ||
        png_width(bytes) <= size.ws_xpixel)
        return 0;
    return wr_buf_printf(out, ",c=%u", size.ws_col);
}

static int draw_kitty(const struct wr_picture_format *format, const struct wr_buf *bytes,
                      struct wr_buf *out, struct wr_error *err)
{
    size_t len = 0;

    (void)err;
    if (!wr_streq(format->member, "png") || png_width(bytes) == 0)
        return 0;
    wr_auto_free char *text = encode(bytes, &len);
    int r = text ? wr_buf_append_str(out, "\033_Ga=T,f=100,q=2") : -ENOMEM;
    if (r == 0)
        r = append_kitty_width(bytes, out);
    for (size_t at = 0; r == 0 && at < len; at += KITTY_CHUNK) {
        size_t n = WR_MIN(len - at, (size_t)KITTY_CHUNK);
        r = wr_buf_printf(out, "%sm=%d;", at ? "\033_G" : ",", at + n < len);
        if (r == 0)
            r = wr_buf_append(out, text + at, n);
        if (r == 0)
            r = wr_buf_append_str(out, "\033\\");
    }
    if (r == 0)
        r = wr_buf_append_char(out, '\n');
    return r < 0 ? r : 1;
}

static int draw_iterm(const struct wr_picture_format *format, const struct wr_buf *bytes,
                      struct wr_buf *out, struct wr_error *err)
{
    size_t len = 0;

    (void)err;
    if (!wr_streq(format->member, "png") && !wr_streq(format->member, "jpeg"))
        return 0;
    wr_auto_free char *text = encode(bytes, &len);
    int r = text ? wr_buf_printf(out, "\033]1337;File=inline=1;size=%zu:", bytes->len) : -ENOMEM;
    if (r == 0)
        r = wr_buf_append(out, text, len);
    if (r == 0)
        r = wr_buf_append_str(out, "\a\n");
    return r < 0 ? r : 1;
}

static int draw_sixel(const struct wr_picture_format *format, const struct wr_buf *bytes,
                      struct wr_buf *out, struct wr_error *err)
{
    if (!wr_streq(format->member, "png") && !wr_streq(format->member, "jpeg"))
        return 0;
    int r = wr_picture_sixel(bytes, out, err);
    if (r < 0)
        return r;
    return wr_buf_append_char(out, '\n') < 0 ? -ENOMEM : 1;
}

int wr_picture_draw(enum wr_picture_protocol protocol, const struct wr_picture_format *format,
                    const struct wr_buf *bytes, struct wr_buf *out, struct wr_error *err)
{
    static int (*const draw[])(const struct wr_picture_format *, const struct wr_buf *,
                               struct wr_buf *, struct wr_error *) = {
        [WR_PICTURE_KITTY] = draw_kitty,
        [WR_PICTURE_ITERM] = draw_iterm,
        [WR_PICTURE_SIXEL] = draw_sixel,
    };

    if (protocol == WR_PICTURE_NONE)
        return 0;
    int r = draw[protocol](format, bytes, out, err);
    if (r < 0 && err->code == WR_OK)
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "picture");
    return r;
}
