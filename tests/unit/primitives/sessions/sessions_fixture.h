/* What tests of sessions share: a fake server and a file of their own. */
#pragma once

#include <fcntl.h>

#include "base/file.h"
#include "json/value.h"
#include "support/fake_driver.h"
#include "test.h"
#include "warren/sessions.h"

struct fixture {
    struct fake_driver *driver;
    struct wr_client *client;
    char directory[64], path[96];
};

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    f->driver = fake_driver_new();
    f->client = fake_driver_client(f->driver);
    (void)snprintf(f->directory, sizeof f->directory, "/tmp/test-sessions-XXXXXX");
    CHECK(mkdtemp(f->directory));
    (void)snprintf(f->path, sizeof f->path, "%s/sessions.db", f->directory);
}

static inline void fixture_done(struct fixture *f)
{
    wr_client_free(f->client);
    fake_driver_free(f->driver);
    CHECK_INT(wr_remove_tree(AT_FDCWD, f->directory), 0);
}

static inline struct wr_sessions *sessions_of(struct fixture *f, unsigned max)
{
    struct wr_error err = {0};
    struct wr_sessions *sessions = wr_sessions_open(
        f->client, WR_OPTS(wr_sessions_opts, .path = f->path, .max_sessions = max), &err);

    if (!sessions)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    return sessions;
}

/* Its sandbox's id. */
static inline void create(struct wr_sessions *sessions, const char *id, char ret[WR_SANDBOX_ID_MAX])
{
    struct wr_sandbox *sandbox = NULL;
    struct wr_error err = {0};

    if (wr_sessions_create(sessions, id, NULL, &sandbox, &err) < 0)
        wr_test_fail(__FILE__, __LINE__, "%s", err.msg);
    (void)snprintf(ret, WR_SANDBOX_ID_MAX, "%s", wr_sandbox_id(sandbox));
    wr_sandbox_free(sandbox);
}

/* Of the session `id` in the list; "" when it is not there. */
static inline void state_of(struct wr_sessions *sessions, const char *id, char ret[16])
{
    struct wr_value *list = NULL;
    struct wr_error err = {0};

    CHECK_INT(wr_sessions_list(sessions, &list, &err), 0);
    ret[0] = '\0';
    for (size_t i = 0; i < wr_value_count(list); i++)
        if (strcmp(wr_value_string(wr_value_at(list, i), "id"), id) == 0)
            (void)snprintf(ret, 16, "%s", wr_value_string(wr_value_at(list, i), "state"));
    wr_value_free(list);
}

#define CHECK_STATE(sessions, id, expected) \
    do {                                    \
        char state_[16];                    \
        state_of((sessions), (id), state_); \
        CHECK_STR(state_, (expected));      \
    } while (0)
