#include "nest/unforked.h"

#include <sys/mman.h>

int wr_unforked_new(size_t size, const char *what, void **ret, struct wr_error *err)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return wr_fail_errno(err, WR_E_RESOURCE_EXHAUSTED, "allocate %s", what);
    if (madvise(memory, size, MADV_DONTFORK) < 0) {
        int rc = wr_fail_errno(err, WR_E_INTERNAL, "protect %s from forks", what);
        munmap(memory, size);
        return rc;
    }
    *ret = memory;
    return 0;
}
