#include "primitives/secure/entropy.h"

#include <math.h>

double wr_entropy(const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    size_t counts[256] = {0};
    double bits = 0;

    for (size_t i = 0; i < len; i++)
        counts[at[i]]++;
    for (size_t i = 0; i < 256; i++) {
        double share = counts[i] ? (double)counts[i] / (double)len : 1;
        bits -= share * log2(share);
    }
    return bits;
}
