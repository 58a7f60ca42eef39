#include "agent/fs/file_mode.h"

#include <stdbool.h>

void wr_file_mode_text(mode_t mode, char out[static WR_FILE_MODE_LEN])
{
    /* In this order; a regular file without any gets "-". */
    const struct {
        char letter;
        bool set;
    } marks[] = {
        {'d', S_ISDIR(mode)},         {'L', S_ISLNK(mode)},  {'D', S_ISBLK(mode) || S_ISCHR(mode)},
        {'p', S_ISFIFO(mode)},        {'S', S_ISSOCK(mode)}, {'u', (mode & S_ISUID) != 0},
        {'g', (mode & S_ISGID) != 0}, {'c', S_ISCHR(mode)},  {'t', (mode & S_ISVTX) != 0},
    };
    static const char letters[] = "rwxrwxrwx";
    size_t len = 0;

    for (size_t i = 0; i < WR_ARRAY_SIZE(marks); i++) {
        if (marks[i].set)
            out[len++] = marks[i].letter;
    }
    if (len == 0)
        out[len++] = '-';
    for (unsigned i = 0; i < sizeof(letters) - 1; i++)
        out[len++] = mode & (0400U >> i) ? letters[i] : '-';
    out[len] = '\0';
}
