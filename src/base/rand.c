#include "base/rand.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void wr_random_bytes(void *out, size_t len)
{
    unsigned char *p = out;
    while (len > 0) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            abort();
        p += n;
        len -= (size_t)n;
    }
}

void wr_random_id(char *out, size_t len)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    const unsigned int count = sizeof(alphabet) - 1;
    /* Bytes above the largest multiple of 36 are thrown away: every character is equally likely. */
    const unsigned int limit = 256 / count * count;
    size_t done = 0;
    while (done < len) {
        unsigned char bytes[32];
        wr_random_bytes(bytes, sizeof(bytes));
        for (size_t i = 0; i < sizeof(bytes) && done < len; i++)
            if (bytes[i] < limit)
                out[done++] = alphabet[bytes[i] % count];
    }
    out[len] = '\0';
}
