#include "support/fake_primitive.h"

#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "base/fd.h"
#include "primitives/core/workflow.h"
#include "test.h"

static int block(struct fake_primitive *fake, const struct fake_step *step,
                 struct wr_workflow *workflow, struct wr_error *err)
{
    struct wr_wait wait = wr_workflow_wait(workflow, 0);
    struct pollfd fds[] = {{.fd = fake->gate, .events = POLLIN},
                           {.fd = wr_cancel_fd(wait.cancel), .events = POLLIN}};
    bool listens = !step->ignores_end;

    int n = poll(fds, listens ? 2 : 1, listens && wait.timeout_ms ? (int)wait.timeout_ms : -1);
    CHECK(n >= 0);
    if (n == 0)
        return wr_fail(err, WR_E_DEADLINE_EXCEEDED, 0, "the workflow's time is over");
    return listens && wr_cancel_fired(wait.cancel) ? wr_fail(err, WR_E_CANCELED, 0, "canceled") : 0;
}

static int answer(const struct fake_step *step, const struct wr_value *input, struct wr_value **ret,
                  struct wr_error *err)
{
    if (step->code != WR_OK) {
        (void)wr_fail(err, step->code, 0, "%s", step->msg ? step->msg : "scripted");
        err->retry_after_ms = step->retry_after_ms;
        return -err->code;
    }
    if (step->output)
        return wr_value_parse(step->output, strlen(step->output), ret, err);
    *ret = wr_value_ref((struct wr_value *)(uintptr_t)input);
    return 0;
}

static int act(struct fake_primitive *fake, const struct fake_step *step,
               const struct wr_value *input, struct wr_workflow *workflow, struct wr_value **ret,
               struct wr_error *err)
{
    int r = 0;

    if (step->says) {
        const struct wr_code_event event = {
            .kind = WR_CODE_STDOUT, .text = step->says, .text_len = strlen(step->says)};
        if (wr_workflow_emit(workflow, &event) != 0)
            return wr_fail(err, WR_E_CANCELED, 0, "the listener gave up");
    }
    if (step->blocks)
        r = block(fake, step, workflow, err);
    if (step->takes_ms)
        fake_clock_advance(fake->clock, step->takes_ms);
    return r < 0 ? r : answer(step, input, ret, err);
}

static int fake_execute(void *self, const struct wr_value *input, struct wr_workflow *workflow,
                        struct wr_value **ret, struct wr_error *err)
{
    static const struct fake_step echo = {0};
    struct fake_primitive *fake = self;
    char *text = wr_value_text(input);

    CHECK(text);
    (void)pthread_mutex_lock(&fake->lock);
    (void)snprintf(fake->last_input, sizeof fake->last_input, "%s", text);
    size_t number = WR_MIN((size_t)fake->calls, fake->step_count ? fake->step_count - 1 : 0);
    fake->calls++;
    fake->running++;
    fake->most_running = WR_MAX(fake->most_running, fake->running);
    (void)pthread_cond_broadcast(&fake->changed);
    (void)pthread_mutex_unlock(&fake->lock);
    wr_free(text);

    int r = act(fake, fake->step_count ? &fake->steps[number] : &echo, input, workflow, ret, err);

    (void)pthread_mutex_lock(&fake->lock);
    fake->running--;
    (void)pthread_cond_broadcast(&fake->changed);
    (void)pthread_mutex_unlock(&fake->lock);
    return r;
}

static void fake_free(void *self)
{
    struct fake_primitive *fake = self;

    (void)pthread_mutex_lock(&fake->lock);
    fake->frees++;
    CHECK_INT(fake->running, 0);
    (void)pthread_mutex_unlock(&fake->lock);
}

static const struct wr_primitive_ops fake_ops = {
    .struct_size = sizeof fake_ops, .execute = fake_execute, .free = fake_free};

struct wr_primitive *fake_primitive_new(struct fake_primitive *fake)
{
    struct wr_error err = {0};

    (void)pthread_mutex_init(&fake->lock, NULL);
    (void)pthread_cond_init(&fake->changed, NULL);
    fake->gate = eventfd(0, EFD_CLOEXEC);
    CHECK(fake->gate >= 0);
    struct wr_primitive *primitive =
        wr_primitive_new(fake->name ? fake->name : "fake", &fake_ops, fake, &err);
    CHECK(primitive);
    return primitive;
}

void fake_primitive_done(struct fake_primitive *fake)
{
    CHECK_INT(fake->frees, 1);
    wr_close(fake->gate);
    (void)pthread_mutex_destroy(&fake->lock);
    (void)pthread_cond_destroy(&fake->changed);
}

void fake_primitive_open(struct fake_primitive *fake)
{
    CHECK_INT(eventfd_write(fake->gate, 1), 0);
}

void fake_primitive_wait_running(struct fake_primitive *fake, unsigned count)
{
    (void)pthread_mutex_lock(&fake->lock);
    while (fake->running < count)
        (void)pthread_cond_wait(&fake->changed, &fake->lock);
    (void)pthread_mutex_unlock(&fake->lock);
}

static unsigned read_locked(struct fake_primitive *fake, const unsigned *number)
{
    (void)pthread_mutex_lock(&fake->lock);
    unsigned value = *number;
    (void)pthread_mutex_unlock(&fake->lock);
    return value;
}

unsigned fake_primitive_calls(struct fake_primitive *fake)
{
    return read_locked(fake, &fake->calls);
}

unsigned fake_primitive_most_running(struct fake_primitive *fake)
{
    return read_locked(fake, &fake->most_running);
}

unsigned fake_primitive_frees(struct fake_primitive *fake)
{
    return read_locked(fake, &fake->frees);
}

const char *fake_primitive_last_input(struct fake_primitive *fake)
{
    return fake->last_input;
}
