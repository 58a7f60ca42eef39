#include <pthread.h>
#include <stdatomic.h>

#include "json/value.h"
#include "primitives/core/workflow.h"
#include "test.h"
#include "warren/coordinate.h"

static void send_int(struct wr_channel *channel, int number)
{
    struct wr_error err = {0};

    CHECK_INT(wr_channel_send(channel, NULL, wr_value_of_int(number), &err), 0);
}

static int receive_int(struct wr_channel *channel)
{
    wr_auto_value *value = NULL;
    struct wr_error err = {0};

    if (wr_channel_receive(channel, NULL, &value, &err) < 0)
        return -err.code;
    return (int)wr_value_int(value, NULL, -100);
}

TEST(first_in_first_out)
{
    struct wr_error err = {0};
    struct wr_channel *channel = wr_channel_new(3, &err);

    for (int i = 1; i <= 3; i++)
        send_int(channel, i);
    for (int i = 1; i <= 3; i++)
        CHECK_INT(receive_int(channel), i);
    wr_channel_free(channel);
}

TEST(a_close)
{
    struct wr_error err = {0};
    struct wr_channel *channel = wr_channel_new(3, &err);
    wr_auto_value *value = wr_value_of_int(3);

    send_int(channel, 1);
    send_int(channel, 2);
    wr_channel_close(channel);
    wr_channel_close(channel);
    CHECK_INT(wr_channel_send(channel, NULL, value, &err), -WR_E_ABORTED);
    CHECK_INT(wr_value_int(value, NULL, 0), 3); /* still ours */
    CHECK_INT(receive_int(channel), 1);
    CHECK_INT(receive_int(channel), 2);
    CHECK_INT(receive_int(channel), -WR_E_OUT_OF_RANGE);
    wr_channel_free(channel);
}

TEST(what_is_left_goes_with_it)
{
    struct wr_error err = {0};
    struct wr_channel *channel = wr_channel_new(3, &err);

    send_int(channel, 1);
    CHECK(wr_channel_free(channel) == NULL);
    CHECK(wr_channel_free(NULL) == NULL);
    CHECK(wr_channel_new(1000001, &err) == NULL);
    CHECK_INT(err.code, WR_E_INVALID_ARGUMENT);
}

#define SENDERS   4
#define RECEIVERS 3
#define EACH      500

struct traffic {
    struct wr_channel *channel;
    atomic_int senders;
    atomic_int seen[SENDERS * EACH];
};

static void *send_many(void *data)
{
    struct traffic *traffic = data;
    int own = atomic_fetch_add(&traffic->senders, 1);

    for (int i = 0; i < EACH; i++)
        send_int(traffic->channel, own * EACH + i);
    return NULL;
}

static void *receive_many(void *data)
{
    struct traffic *traffic = data;
    int last[SENDERS] = {-1, -1, -1, -1};

    for (;;) {
        int number = receive_int(traffic->channel);
        if (number == -WR_E_OUT_OF_RANGE)
            return NULL;
        CHECK(number >= 0);
        atomic_fetch_add(&traffic->seen[number], 1);
        /* Of one sender each receiver sees them in their order. */
        CHECK(number % EACH > last[number / EACH]);
        last[number / EACH] = number % EACH;
    }
}

static void run_traffic(unsigned capacity)
{
    static struct traffic traffic;
    struct wr_error err = {0};
    pthread_t senders[SENDERS], receivers[RECEIVERS];

    memset(&traffic, 0, sizeof traffic);
    traffic.channel = wr_channel_new(capacity, &err);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_INT(pthread_create(&receivers[i], NULL, receive_many, &traffic), 0);
    for (int i = 0; i < SENDERS; i++)
        CHECK_INT(pthread_create(&senders[i], NULL, send_many, &traffic), 0);
    for (int i = 0; i < SENDERS; i++)
        CHECK_INT(pthread_join(senders[i], NULL), 0);
    wr_channel_close(traffic.channel);
    for (int i = 0; i < RECEIVERS; i++)
        CHECK_INT(pthread_join(receivers[i], NULL), 0);
    for (int i = 0; i < SENDERS * EACH; i++)
        CHECK_INT(atomic_load(&traffic.seen[i]), 1);
    wr_channel_free(traffic.channel);
}

TEST(each_value_once)
{
    run_traffic(7);
}

TEST(hand_to_hand)
{
    run_traffic(0);
}

TEST(waiting_ends_with_the_workflow)
{
    struct wr_error err = {0};
    struct wr_channel *channel = wr_channel_new(1, &err), *direct = wr_channel_new(0, &err);
    wr_auto_workflow *brief = wr_workflow_new(WR_OPTS(wr_workflow_opts, .timeout_ms = 5), &err);
    wr_auto_value *value = wr_value_of_int(1);
    struct wr_value *got = NULL;

    CHECK_INT(wr_channel_receive(channel, brief, &got, &err), -WR_E_DEADLINE_EXCEEDED);
    send_int(channel, 1);
    CHECK_INT(wr_channel_send(channel, brief, value, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(wr_channel_send(direct, brief, value, &err), -WR_E_DEADLINE_EXCEEDED);
    CHECK_INT(receive_int(channel), 1);
    /* Nothing of who gave up is left in it. */
    wr_channel_close(channel);
    wr_channel_close(direct);
    CHECK_INT(receive_int(channel), -WR_E_OUT_OF_RANGE);
    CHECK_INT(receive_int(direct), -WR_E_OUT_OF_RANGE);
    CHECK_INT(wr_channel_send(channel, NULL, NULL, &err), -WR_E_INVALID_ARGUMENT);
    wr_channel_free(channel);
    wr_channel_free(direct);
}

static void *send_to_closed(void *data)
{
    struct wr_error err = {0};
    wr_auto_value *value = wr_value_of_int(1);

    CHECK_INT(wr_channel_send(data, NULL, value, &err), -WR_E_ABORTED);
    return NULL;
}

static void *receive_from_closed(void *data)
{
    CHECK_INT(receive_int(data), -WR_E_OUT_OF_RANGE);
    return NULL;
}

TEST(a_close_wakes_who_waits)
{
    struct wr_error err = {0};
    struct wr_channel *full = wr_channel_new(0, &err), *empty = wr_channel_new(0, &err);
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, i % 2 ? send_to_closed : receive_from_closed,
                                 i % 2 ? full : empty),
                  0);
    wr_channel_close(full);
    wr_channel_close(empty);
    for (int i = 0; i < 4; i++)
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    wr_channel_free(full);
    wr_channel_free(empty);
}
