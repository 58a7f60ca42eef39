#include <inttypes.h>

#include "base/error.h"
#include "base/str.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

/* Only how many there are: what is in them is the sandboxes' business. */
static int volume_create(void *self, const struct wr_call *call, const char *name,
                         uint64_t size_bytes, struct wr_value **ret, struct wr_error *err)
{
    struct fake_driver *driver = self;
    char id[40];

    (void)size_bytes;
    int r = fake_begin(driver, FAKE_VOLUME, call, "create", err);
    if (r == 0) {
        driver->volumes++;
        (void)!wr_strformat(id, sizeof id, "00000000-0000-4000-8000-%012u", ++driver->numbers);
        *ret = wr_value_of_json(json_pack("{s:s, s:s}", "volumeID", id, "name", name));
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_VOLUME);
    return r;
}

static int volume_remove(void *self, const struct wr_call *call, const char *id,
                         struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_VOLUME, call, "remove", err);
    (void)id;
    if (r == 0) {
        if (driver->alive > 0)
            r = wr_fail(err, WR_E_ABORTED, 0, "a sandbox has it mounted");
        else
            driver->volumes--;
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_VOLUME);
    return r;
}

static int volume_list(void *self, const struct wr_call *call, struct wr_value **ret,
                       struct wr_error *err)
{
    struct fake_driver *driver = self;

    int r = fake_begin(driver, FAKE_VOLUME, call, "list", err);
    if (r == 0) {
        *ret = wr_value_array();
        fake_unlock(driver);
    }
    fake_end(driver, FAKE_VOLUME);
    return r;
}

unsigned fake_driver_volumes(struct fake_driver *driver)
{
    pthread_mutex_lock(&driver->lock);
    unsigned volumes = driver->volumes;
    pthread_mutex_unlock(&driver->lock);
    return volumes;
}

void fake_driver_ops_volumes(struct wr_driver_ops *ops)
{
    ops->volume_create = volume_create;
    ops->volume_remove = volume_remove;
    ops->volume_list = volume_list;
}
