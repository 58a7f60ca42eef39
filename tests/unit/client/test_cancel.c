#include <poll.h>
#include <pthread.h>

#include "test.h"
#include "warren/cancel.h"

static bool readable(const struct wr_cancel *cancel)
{
    struct pollfd fd = {.fd = wr_cancel_fd(cancel), .events = POLLIN};

    return poll(&fd, 1, 0) == 1;
}

TEST(fires_downwards_only)
{
    struct wr_error err = {0};
    struct wr_cancel *root = wr_cancel_new(NULL, &err), *middle = wr_cancel_new(root, &err);
    struct wr_cancel *leaf = wr_cancel_new(middle, &err), *other = wr_cancel_new(root, &err);

    CHECK(!wr_cancel_fired(leaf) && !readable(leaf));
    wr_cancel_fire(middle);
    CHECK(wr_cancel_fired(middle) && readable(middle));
    CHECK(wr_cancel_fired(leaf) && readable(leaf));
    CHECK(!wr_cancel_fired(root) && !readable(root));
    CHECK(!wr_cancel_fired(other) && !readable(other));
    wr_cancel_fire(root);
    CHECK(wr_cancel_fired(other) && readable(other) && readable(root));
    wr_cancel_fire(root); /* once more is nothing */
    wr_cancel_free(leaf);
    wr_cancel_free(other);
    wr_cancel_free(root);
    wr_cancel_free(middle);
}

TEST(child_of_a_fired_one_has_fired)
{
    struct wr_error err = {0};
    struct wr_cancel *root = wr_cancel_new(NULL, &err);

    wr_cancel_fire(root);
    struct wr_cancel *child = wr_cancel_new(root, &err);
    CHECK(wr_cancel_fired(child) && readable(child));
    wr_cancel_free(root);
    wr_cancel_free(child);
}

TEST(one_in_the_middle_that_nobody_holds_passes_on)
{
    struct wr_error err = {0};
    struct wr_cancel *root = wr_cancel_new(NULL, &err), *middle = wr_cancel_new(root, &err);
    struct wr_cancel *leaf = wr_cancel_new(middle, &err);

    CHECK(wr_cancel_free(middle) == NULL);
    wr_cancel_fire(root);
    CHECK(wr_cancel_fired(leaf));
    wr_cancel_free(root);
    CHECK(readable(leaf));
    wr_cancel_free(leaf);
    CHECK(wr_cancel_free(NULL) == NULL && wr_cancel_ref(NULL) == NULL);
}

TEST(many_children_and_depths)
{
    struct wr_error err = {0};
    struct wr_cancel *tokens[300] = {wr_cancel_new(NULL, &err)};

    for (size_t i = 1; i < 300; i++)
        tokens[i] = wr_cancel_new(tokens[(i - 1) / 2], &err);
    wr_cancel_fire(tokens[2]);
    for (size_t i = 0; i < 300; i++) {
        size_t up = i;
        while (up > 2)
            up = (up - 1) / 2;
        CHECK_INT(wr_cancel_fired(tokens[i]), up == 2);
    }
    for (size_t i = 0; i < 300; i++)
        wr_cancel_free(tokens[i]);
}

static void *make_and_free(void *data)
{
    struct wr_error err = {0};

    for (int i = 0; i < 2000; i++)
        wr_cancel_free(wr_cancel_new(data, &err));
    return NULL;
}

TEST(threads_make_and_free_while_it_fires)
{
    struct wr_error err = {0};
    struct wr_cancel *root = wr_cancel_new(NULL, &err), *middle = wr_cancel_new(root, &err);
    pthread_t threads[4];

    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, make_and_free, i % 2 ? root : middle) == 0);
    for (int i = 0; i < 1000; i++)
        wr_cancel_fire(root);
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    wr_cancel_free(root);
    wr_cancel_free(middle);
}
