#include <fcntl.h>
#include <unistd.h>

#include "engine/driver/native/slots.h"
#include "test.h"

static struct wr_slots slots;
static struct wr_error err;

/* Namespaces that exist already, so that no root and no fork are needed. */
static void pretend_namespaces(void)
{
    wr_slots_init(&slots);
    for (size_t i = 0; i < WR_SLOT_COUNT; i++)
        slots.userns_fds[i] = 1000000;
}

static uint32_t take(void)
{
    uint32_t slot = WR_SLOT_COUNT;
    int fd = -1;
    CHECK_INT(wr_slots_take(&slots, &slot, &fd, &err), 0);
    CHECK(slot < WR_SLOT_COUNT);
    CHECK_INT(fd, slots.userns_fds[slot]);
    return slot;
}

TEST(exhaustion_and_return)
{
    static bool seen[WR_SLOT_COUNT];
    pretend_namespaces();
    for (size_t i = 1; i < WR_SLOT_COUNT; i++) {
        uint32_t slot = take();
        CHECK(slot != 0); /* the nests' own ids */
        CHECK(!seen[slot]);
        seen[slot] = true;
    }
    uint32_t slot = 4711;
    int fd = -2;
    CHECK_INT(wr_slots_take(&slots, &slot, &fd, &err), -WR_E_RESOURCE_EXHAUSTED);
    CHECK_INT(slot, 4711);
    CHECK_INT(fd, -2);
    wr_slots_release(&slots, 17);
    CHECK_INT(take(), 17);
}

TEST(a_freed_slot_rests)
{
    pretend_namespaces();
    uint32_t first = take(), second = take();
    CHECK(first != second);
    wr_slots_release(&slots, first);
    for (size_t i = 3; i < WR_SLOT_COUNT; i++)
        CHECK(take() != first);
    CHECK_INT(take(), first);
}

TEST(slots_with_a_namespace_come_first)
{
    wr_slots_init(&slots);
    slots.userns_fds[900] = 1000000;
    CHECK_INT(take(), 900);
}

TEST(claim)
{
    pretend_namespaces();
    CHECK(wr_slots_claim(&slots, 5));
    CHECK(!wr_slots_claim(&slots, 5));
    CHECK(!wr_slots_claim(&slots, 0));
    CHECK(wr_slots_claim(&slots, WR_SLOT_COUNT - 1));
    CHECK(!wr_slots_claim(&slots, WR_SLOT_COUNT));
    CHECK(!wr_slots_claim(&slots, UINT32_MAX));
    for (size_t i = 0; i < 100; i++)
        CHECK(take() != 5);
    wr_slots_release(&slots, 5);
    CHECK(wr_slots_claim(&slots, 5));
}

TEST(ranges_do_not_overlap)
{
    CHECK_INT(wr_slot_host_base(0), WR_SLOT_HOST_BASE);
    CHECK_INT(wr_slot_host_base(1) - wr_slot_host_base(0), WR_SLOT_IDS);
    /* The last id is neither wrapped nor the invalid one. */
    CHECK((uint64_t)wr_slot_host_base(WR_SLOT_COUNT - 1) + WR_SLOT_IDS - 1 < UINT32_MAX);
}

TEST(namespaces_are_made_once_and_closed)
{
    NEEDS_ROOT();
    uint32_t slot = 0, again = 0;
    int fd = -1, fd_again = -1;
    wr_slots_init(&slots);
    CHECK_INT(wr_slots_take(&slots, &slot, &fd, &err), 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    wr_slots_release(&slots, slot);
    CHECK_INT(wr_slots_take(&slots, &again, &fd_again, &err), 0);
    CHECK_INT(again, slot);
    CHECK_INT(fd_again, fd);
    wr_slots_done(&slots);
    CHECK(fcntl(fd, F_GETFD) < 0);
}
