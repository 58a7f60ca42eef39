#include "engine/driver/native/leftovers.h"

#include <unistd.h>

#include "engine/driver/native/kit.h"
#include "engine/driver/native/native.h"
#include "engine/driver/native/shared_memory.h"
#include "log/log.h"

#define RETRY_MS 20

#define SETTLE_ROUNDS 20
#define SETTLE_US     1000

void wr_leftovers_add(struct wr_driver *driver, struct wr_kit *kit)
{
    if (kit && !wr_kit_release(driver, kit)) {
        wr_list_remove(&kit->link);
        wr_list_append(&driver->leftovers, &kit->link);
        wr_leftovers_collect(driver);
    }
}

void wr_leftovers_try(struct wr_driver *driver)
{
    wr_list_foreach(it, &driver->leftovers)
        (void)!wr_kit_release(
            driver, wr_list_entry(it, struct wr_kit, link)); /* it stays in the list then */
}

static bool is_left(const struct wr_driver *driver, const char *id)
{
    wr_list_foreach(it, &driver->leftovers) {
        if (wr_streq(wr_list_entry(it, struct wr_kit, link)->id, id))
            return true;
    }
    return false;
}

int wr_leftovers_settle(struct wr_driver *driver, const char *id, struct wr_error *err)
{
    for (int i = 0; i < SETTLE_ROUNDS && is_left(driver, id); i++) {
        if (i > 0)
            usleep(SETTLE_US);
        wr_leftovers_try(driver);
    }
    return is_left(driver, id) ? wr_fail(err, WR_E_UNAVAILABLE, 0,
                                         "what is left of sandbox %s is still being removed", id)
                               : 0;
}

static void on_collect(struct wr_timer *timer, void *data)
{
    struct wr_driver *driver = data;

    (void)timer;
    wr_leftovers_try(driver);
    wr_leftovers_collect(driver);
}

void wr_leftovers_collect(struct wr_driver *driver)
{
    struct wr_error err;
    bool more = wr_native_retired_collect(driver);

    wr_shared_memory_collect_soon(driver);

    more |= wr_snapshots_collect(driver->snapshots);
    more |= wr_volume_collect(driver->volume) || !wr_list_empty(&driver->leftovers);

    if (more && !driver->collect.loop &&
        wr_timer_start(driver->loop, &driver->collect, RETRY_MS, on_collect, driver, &err) < 0)
        wr_log(WR_LOG_ERROR, err.msg, NULL);
}
