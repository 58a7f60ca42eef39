#include "agent/fs/file_mode.h"
#include "test.h"

TEST(as_go_writes_them)
{
    static const struct {
        mode_t mode;
        const char *text;
    } rows[] = {
        {S_IFREG | 0644, "-rw-r--r--"},
        {S_IFREG, "----------"},
        {S_IFDIR | 0755, "drwxr-xr-x"},
        {S_IFDIR | S_ISVTX | 0777, "dtrwxrwxrwx"},
        {S_IFLNK | 0777, "Lrwxrwxrwx"},
        {S_IFCHR | 0666, "Dcrw-rw-rw-"},
        {S_IFBLK | 0660, "Drw-rw----"},
        {S_IFIFO | 0600, "prw-------"},
        {S_IFSOCK | 0755, "Srwxr-xr-x"},
        {S_IFREG | S_ISUID | 04755, "urwxr-xr-x"},
        {S_IFREG | S_ISGID | 0111, "g--x--x--x"},
        {S_IFDIR | S_ISUID | S_ISGID | S_ISVTX | 0777, "dugtrwxrwxrwx"},
    };
    char text[WR_FILE_MODE_LEN];
    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        wr_file_mode_text(rows[i].mode, text);
        CHECK_STR(text, rows[i].text);
    }
}
