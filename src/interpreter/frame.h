/*
 * Frames between the agent and a runner, the small program that runs cells of one language
 * (docs/internals/interpreter.md). Both ends of the socket, SOCK_STREAM AF_UNIX made by
 * socketpair() in the agent, are inside the sandbox; nothing a runner says is trusted beyond
 * that.
 *
 * A frame is a header of 8 bytes, then `length` bytes of payload:
 *   bytes 0..3  length, little endian, at most WR_FRAME_MAX
 *   byte  4     kind, one ASCII letter
 *   bytes 5..7  zero
 * JSON payloads are one object, ASCII only, without line breaks, so that the agent passes them on
 * as they are.
 */
#pragma once

#define WR_FRAME_HEADER 8
#define WR_FRAME_MAX    (64 * 1024 * 1024) /* payload; a runner refuses larger results by an error */

enum wr_frame_kind {
    /* Agent to runner. */

    /* {"cwd": "/home/user", "env": {"NAME": "value", ...}, "cpu_millis": 2000}: once, first. The
       complete environment; the runner replaces its own by it, applies TZ and locale, enters cwd (a
       failure is ignored when it is there already) and answers READY. `cpu_millis`: thousandths of
       a processor that the sandbox may use, 0 when nobody knows. */
    WR_FRAME_INIT = 'I',
    /* {"code": "...", "env": {"NAME": "value"}, "silent": false}: one cell. `env` is set for this
       cell and put back afterwards exactly, whatever the cell did. A silent cell stores nothing,
       counts nothing, and shows nothing but errors. The next EXECUTE comes only after DONE. */
    WR_FRAME_EXECUTE = 'X',
    /* {"env": {...}, "cpu_millis": 2000}: a new complete environment, and new randomness: a
       prepared context was assigned to its user. Only between cells. Answered by READY. */
    WR_FRAME_ASSIGN = 'A',
    /* {"env": {"NAME": "value"}}: the sandbox goes on from an image, perhaps beside others from the
       same one. New randomness, and these variables in addition; what there is otherwise stays. May
       be sent while a cell runs: the runner takes it before the next cell at the latest, and then
       answers RENEWED. SIGURG went to its process group just before: a runner that can do its part
       in the middle of a cell does it then. */
    WR_FRAME_RENEW = 'N',

    /* Runner to agent. */

    /* {"pid": 12}: the runner's process, leader of a process group of its own. SIGINT to that group
       interrupts the cell; SIGKILL ends the context. */
    WR_FRAME_READY = 'R',
    /* {"execution_count": 1}: the cell begins. Not for silent cells. */
    WR_FRAME_COUNT = 'C',
    /* Text that the cell wrote, UTF-8, at most 64 KiB per frame, not cut inside a character. */
    WR_FRAME_STDOUT = 'o',
    WR_FRAME_STDERR = 'e',
    /* {"type": "result", ...} or {"type": "error", "name", "value", "traceback"}: a complete line
       of the answer's stream (reference: E2B's code interpreter). At most one error per cell. */
    WR_FRAME_LINE = 'L',
    /* {}: the cell has ended; all its text was sent. */
    WR_FRAME_DONE = 'D',
    /* {}: once for each RENEW, in any order with the frames of a cell. */
    WR_FRAME_RENEWED = 'n',
};

/* Descriptors of a runner: 0 is /dev/null, 1 and 2 are pipes that the agent reads (what
   subprocesses and C code write; the runner's own print() goes by frames, in order with results),
   and this is the socket. Close-on-exec is the runner's business. */
#define WR_RUNNER_SOCKET_FD 3
