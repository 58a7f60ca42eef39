/* Writes an image to the disk while CRIU makes it, so that less is left for the end. */
#pragma once

#include <sys/types.h>

struct wr_head_start {
    pid_t pid; /* 0: none */
    int stop_fd;
};

/* A process that asks the kernel again and again to write what it has of the image's pages. Makes
 * nothing durable, so it may fail. For jobs. */
void wr_head_start_begin(int image_dirfd, struct wr_head_start *ret);
/* Ends it, and waits for that. */
void wr_head_start_end(struct wr_head_start *head_start);
