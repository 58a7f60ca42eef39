#include "engine/driver/native/slots.h"

#include "base/fd.h"
#include "engine/isolate/userns.h"

void wr_slots_init(struct wr_slots *slots)
{
    *slots = (struct wr_slots){.next = 1};
    /* Its ids begin with the one that the nests run as: root of a sandbox there would share the
     * kernel's per-user counters (pipe pages, descriptors in flight, ...) with every nest. */
    slots->used[0] = true;
    for (size_t i = 0; i < WR_SLOT_COUNT; i++)
        slots->userns_fds[i] = -1;
}

void wr_slots_done(struct wr_slots *slots)
{
    for (size_t i = 0; i < WR_SLOT_COUNT; i++)
        slots->userns_fds[i] = wr_close(slots->userns_fds[i]);
}

uid_t wr_slot_host_base(uint32_t slot)
{
    return WR_SLOT_HOST_BASE + slot * WR_SLOT_IDS;
}

/* A slot whose namespace exists already, so that making one (a fork) stays off the common path;
 * else the next free one. */
static bool find_free(const struct wr_slots *slots, uint32_t *ret)
{
    bool found = false;

    for (uint32_t i = 0; i < WR_SLOT_COUNT; i++) {
        uint32_t slot = (slots->next + i) % WR_SLOT_COUNT;
        if (slots->used[slot])
            continue;
        if (slots->userns_fds[slot] >= 0) {
            *ret = slot;
            return true;
        }
        if (!found)
            *ret = slot;
        found = true;
    }
    return found;
}

int wr_slots_take(struct wr_slots *slots, uint32_t *ret_slot, int *ret_userns_fd,
                  struct wr_error *err)
{
    uint32_t slot = 0;

    if (!find_free(slots, &slot))
        return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, 0,
                       "all %u slots are in use; kill a sandbox first", WR_SLOT_COUNT - 1);
    if (slots->userns_fds[slot] < 0) {
        int rc = wr_userns_new(wr_slot_host_base(slot), WR_SLOT_IDS, &slots->userns_fds[slot], err);
        if (rc < 0)
            return rc;
    }
    slots->used[slot] = true;
    slots->next = (slot + 1) % WR_SLOT_COUNT;
    *ret_slot = slot;
    *ret_userns_fd = slots->userns_fds[slot];
    return 0;
}

bool wr_slots_claim(struct wr_slots *slots, uint32_t slot)
{
    if (slot >= WR_SLOT_COUNT || slots->used[slot])
        return false;
    slots->used[slot] = true;
    return true;
}

void wr_slots_release(struct wr_slots *slots, uint32_t slot)
{
    slots->used[slot] = false;
}
