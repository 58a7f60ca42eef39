/* The fake driver's side towards the test: what it shall do, and what has happened. */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/str.h"
#include "json/value.h"
#include "support/fake_driver_internal.h"

void fake_driver_on_code(struct fake_driver *driver, fake_code_fn fn, void *data)
{
    pthread_mutex_lock(&driver->lock);
    driver->on_code = fn;
    driver->code_data = data;
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_on_program(struct fake_driver *driver, fake_program_fn fn, void *data)
{
    pthread_mutex_lock(&driver->lock);
    driver->on_program = fn;
    driver->program_data = data;
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_fail(struct fake_driver *driver, enum fake_op op, unsigned first, unsigned count,
                      enum wr_code code)
{
    fake_driver_fail_after(driver, op, first, count, code, 0);
}

void fake_driver_fail_after(struct fake_driver *driver, enum fake_op op, unsigned first,
                            unsigned count, enum wr_code code, uint32_t retry_after_ms)
{
    pthread_mutex_lock(&driver->lock);
    size_t i = 0;
    /* One that lies behind can be used again. */
    while (i < FAKE_RULES_MAX && driver->rules[i].code != WR_OK &&
           driver->rules[i].last > driver->calls[driver->rules[i].op])
        i++;
    if (i == FAKE_RULES_MAX)
        abort();
    driver->rules[i] = (struct fake_rule){.op = op,
                                          .first = driver->calls[op] + first,
                                          .last = driver->calls[op] + first + count - 1,
                                          .code = code,
                                          .retry_after_ms = retry_after_ms};
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_latency(struct fake_driver *driver, enum fake_op op, uint64_t ms)
{
    pthread_mutex_lock(&driver->lock);
    driver->latency_ms[op] = ms;
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_clock(struct fake_driver *driver, uint64_t (*now_ms)(void *data),
                       void (*pass)(void *data, uint64_t ms), void *data)
{
    pthread_mutex_lock(&driver->lock);
    driver->now_ms = now_ms;
    driver->pass = pass;
    driver->clock_data = data;
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_hold(struct fake_driver *driver, enum fake_op op)
{
    uint64_t value = 0;

    pthread_mutex_lock(&driver->lock);
    if (driver->gate[op] < 0)
        driver->gate[op] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    else if (read(driver->gate[op], &value, sizeof value) < 0)
        value = 0; /* it was closed already */
    if (driver->gate[op] < 0)
        abort();
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_release(struct fake_driver *driver, enum fake_op op)
{
    const uint64_t one = 1;

    pthread_mutex_lock(&driver->lock);
    if (driver->gate[op] >= 0 && write(driver->gate[op], &one, sizeof one) < 0)
        abort();
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_wait_held(struct fake_driver *driver, enum fake_op op, unsigned count)
{
    pthread_mutex_lock(&driver->lock);
    while (driver->held[op] < count)
        pthread_cond_wait(&driver->held_more, &driver->lock);
    pthread_mutex_unlock(&driver->lock);
}

void fake_driver_max_alive(struct fake_driver *driver, unsigned max)
{
    pthread_mutex_lock(&driver->lock);
    driver->max_alive = max;
    pthread_mutex_unlock(&driver->lock);
}

static unsigned read_locked(struct fake_driver *driver, const unsigned *value)
{
    pthread_mutex_lock(&driver->lock);
    unsigned copy = *value;
    pthread_mutex_unlock(&driver->lock);
    return copy;
}

unsigned fake_driver_calls(struct fake_driver *driver, enum fake_op op)
{
    return read_locked(driver, &driver->calls[op]);
}

unsigned fake_driver_peak(struct fake_driver *driver, enum fake_op op)
{
    return read_locked(driver, &driver->peak[op]);
}

unsigned fake_driver_alive(struct fake_driver *driver)
{
    pthread_mutex_lock(&driver->lock);
    fake_driver_expire(driver);
    unsigned alive = driver->alive;
    pthread_mutex_unlock(&driver->lock);
    return alive;
}

unsigned fake_driver_peak_alive(struct fake_driver *driver)
{
    return read_locked(driver, &driver->peak_alive);
}

bool fake_driver_is_alive(struct fake_driver *driver, const char *id)
{
    pthread_mutex_lock(&driver->lock);
    fake_driver_expire(driver);
    const struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    bool alive = sandbox && sandbox->alive;
    pthread_mutex_unlock(&driver->lock);
    return alive;
}

void fake_driver_lose(struct fake_driver *driver, const char *id)
{
    pthread_mutex_lock(&driver->lock);
    struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    if (sandbox) {
        driver->alive -= sandbox->alive;
        sandbox->alive = false;
    }
    pthread_mutex_unlock(&driver->lock);
}

char *fake_driver_log(struct fake_driver *driver)
{
    pthread_mutex_lock(&driver->lock);
    char *copy = wr_strndup(driver->log.len ? wr_buf_ptr(&driver->log) : "", driver->log.len);
    pthread_mutex_unlock(&driver->lock);
    return copy;
}

char *fake_driver_file(struct fake_driver *driver, const char *id, const char *path)
{
    char *copy = NULL;

    pthread_mutex_lock(&driver->lock);
    struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    for (struct wr_list *it = sandbox ? sandbox->files.next : NULL;
         it && it != &sandbox->files && !copy; it = it->next) {
        const struct fake_file *file = wr_list_entry(it, struct fake_file, link);
        if (!file->dir && wr_streq(file->path, path))
            copy = wr_strndup(file->bytes, file->len);
    }
    pthread_mutex_unlock(&driver->lock);
    return copy;
}

struct wr_value *fake_driver_created_with(struct fake_driver *driver, const char *id)
{
    pthread_mutex_lock(&driver->lock);
    struct fake_sandbox *sandbox = fake_sandbox_find(driver, id);
    json_t *copy = sandbox ? json_deep_copy(sandbox->created_with) : NULL;
    pthread_mutex_unlock(&driver->lock);
    return wr_value_of_json(copy);
}
