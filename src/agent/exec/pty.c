#include "agent/exec/pty.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

int wr_pty_resize(int controller, struct wr_pty_size size, struct wr_error *err)
{
    struct winsize ws = {.ws_col = size.cols, .ws_row = size.rows};
    if (ioctl(controller, TIOCSWINSZ, &ws) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "error resizing tty");
    return 0;
}

int wr_pty_open(uid_t uid, struct wr_pty_size size, int *ret_controller, int *ret_terminal,
                struct wr_error *err)
{
    int unlocked = 0;
    wr_auto_close int controller =
        open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (controller < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open /dev/pts/ptmx");
    if (ioctl(controller, TIOCSPTLCK, &unlocked) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "unlock pty");
    /* By descriptor, not by name: whatever is mounted or linked at /dev/pts/N does not matter. */
    wr_auto_close int terminal = ioctl(controller, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "open the terminal side of the pty");
    if (fchown(terminal, uid, (gid_t)-1) < 0 || fchmod(terminal, 0620) < 0)
        return wr_fail_errno(err, WR_E_INTERNAL, "give the pty to uid %u", uid);
    int rc = wr_pty_resize(controller, size, err);
    if (rc < 0)
        return rc;
    *ret_controller = wr_steal_fd(&controller);
    *ret_terminal = wr_steal_fd(&terminal);
    return 0;
}
