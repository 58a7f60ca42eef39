#include "cli/terminal.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static struct termios saved;
static bool raw;

void wr_terminal_restore(void)
{
    if (raw)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved);
    raw = false;
}

int wr_terminal_raw(struct wr_error *err)
{
    static bool registered;
    struct termios mode;

    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return wr_fail_errno(err, WR_E_FAILED_PRECONDITION,
                             "-t needs a terminal as standard input");
    /* Every way out of the CLI goes through exit(): its signals are taken by the loop. */
    if (!registered && atexit(wr_terminal_restore) != 0)
        return wr_fail(err, WR_E_INTERNAL, 0, "terminal mode could not be protected");
    registered = true;
    mode = saved;
    cfmakeraw(&mode);
    if (tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "terminal mode");
    raw = true;
    return 0;
}

void wr_terminal_size(unsigned *ret_cols, unsigned *ret_rows)
{
    struct winsize size = {0};

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
        size = (struct winsize){.ws_col = 80, .ws_row = 24};
    *ret_cols = size.ws_col;
    *ret_rows = size.ws_row;
}
