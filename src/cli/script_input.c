#include "cli/script_input.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE ((size_t)64 * 1024)
#define MAX_LINE  ((size_t)64 * 1024 * 1024)

void wr_script_input_init(struct wr_script_input *input, struct wr_input_wait *wait)
{
    *input = (struct wr_script_input){.wait = wait};
    wr_buf_init(&input->in, MAX_LINE);
}

void wr_script_input_done(struct wr_script_input *input)
{
    wr_buf_done(&input->in);
}

static int read_more(struct wr_script_input *input, struct wr_error *err)
{
    int r = wr_input_wait(input->wait, err);
    if (r < 0)
        return r;
    char *room = wr_buf_reserve(&input->in, READ_SIZE);
    if (!room)
        return wr_fail(err, WR_E_INVALID_ARGUMENT, 0, "a line of the input is too long");
    ssize_t n = read(STDIN_FILENO, room, READ_SIZE);
    if (n < 0 && errno != EINTR && errno != EAGAIN)
        return wr_fail_errno(err, WR_E_UNKNOWN, "read standard input");
    if (n == 0)
        input->ended = true;
    if (n > 0)
        wr_buf_commit(&input->in, (size_t)n);
    return 0;
}

int wr_script_input_next(struct wr_script_input *input, const char **ret, size_t *ret_len,
                         struct wr_error *err)
{
    wr_buf_consume(&input->in, input->given);
    input->given = 0;
    for (size_t scanned = 0;;) {
        const char *text = wr_buf_ptr(&input->in);
        const char *stop =
            input->in.len > scanned ? memchr(text + scanned, '\n', input->in.len - scanned) : NULL;
        if (stop || (input->ended && input->in.len > 0)) {
            *ret = text;
            *ret_len = stop ? (size_t)(stop - text) : input->in.len;
            input->given = *ret_len + (stop ? 1 : 0);
            return 1;
        }
        if (input->ended)
            return 0;
        scanned = input->in.len;
        int r = read_more(input, err);
        if (r < 0)
            return r;
    }
}
