#include "primitives/testing/test_stdin.h"

#include <stddef.h>

#include "base/str.h"

/*
 * Descriptor 0, so that programs that the code starts have it too. Interpreters replace input() by
 * one that refuses, some for each cell: a name in the cell's own globals comes before that.
 */
static const char python[] =
    "def _warren_stdin():\n"
    "    import os, sys\n"
    "    fd = os.open('" WR_TEST_STDIN_FILE "', os.O_RDONLY)\n"
    "    os.dup2(fd, 0)\n"
    "    os.close(fd)\n"
    "    sys.stdin = sys.__stdin__ = open(0, encoding='utf-8', closefd=False)\n"
    "    def input(prompt='', /):\n"
    "        print(prompt, end='', flush=True)\n"
    "        line = sys.stdin.readline()\n"
    "        if not line:\n"
    "            raise EOFError('EOF when reading a line')\n"
    "        return line.removesuffix('\\n')\n"
    "    return input\n"
    "input = _warren_stdin()\n"
    "del _warren_stdin\n";

const char *wr_test_stdin_preamble(const char *language)
{
    return wr_strcaseeq(language, "python") ? python : NULL;
}
