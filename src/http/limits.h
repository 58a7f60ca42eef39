/* Every limit of the HTTP layer, in one place. Each is tested from both sides. */
#pragma once

#define WR_HTTP_MAX_HEAD        (64 * 1024) /* request or status line plus all header fields, bytes */
#define WR_HTTP_MAX_TARGET      (16 * 1024)  /* request target, bytes */
#define WR_HTTP_MAX_HEADERS     100          /* header fields of one message */
#define WR_HTTP_MAX_METHOD      16           /* bytes */
#define WR_HTTP_MAX_CHUNK_LINE  64           /* chunk-size line, bytes */
#define WR_HTTP_MAX_TRAILER     (8 * 1024)   /* trailer section, bytes */
#define WR_HTTP_READ_SIZE       (64 * 1024)  /* one read of a socket that is busy */
#define WR_HTTP_FIRST_READ_SIZE (8 * 1024)   /* one read of a socket that is not */
#define WR_HTTP_OUT_HIGH        (256 * 1024) /* output above this: the producer is asked to wait */
#define WR_HTTP_OUT_LOW         (64 * 1024)  /* output below this: the producer is asked again */
#define WR_HTTP_OUT_MAX \
    (1024 * 1024) /* output above this: a programmer's error, the connection is cut */
#define WR_HTTP_OUT_ALL         (256 * 1024 * 1024) /* large whole responses that wait in one server */
#define WR_HTTP_HEAD_TIMEOUT_MS 30000               /* first byte of a head until its end */
#define WR_HTTP_IDLE_TIMEOUT_MS 650000              /* between two requests on one connection */
#define WR_HTTP_STALL_TIMEOUT_MS                                                                  \
    1800000 /* an exchange whose peer neither takes what waits for it nor sends what it promised; \
               long, because people leave a pager open */
#define WR_HTTP_MAX_BODY_MEMORY (1024 * 1024) /* bodies that a handler collects in memory */
