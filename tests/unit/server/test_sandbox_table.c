#include <fcntl.h>
#include <unistd.h>

#include "server/records.h"
#include "server/sandbox_table.h"
#include "test.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbb"
#define TEAM "11111111-1111-4111-8111-111111111111"

TEST(add_find_remove)
{
    struct wr_error err = {0};
    struct wr_sandbox *a = NULL, *b = NULL, *none = NULL;
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    CHECK(table);
    CHECK_INT(wr_sandbox_table_add(table, ID_A, TEAM, &a, &err), 0);
    CHECK_INT(wr_sandbox_table_add(table, ID_B, TEAM, &b, &err), 0);
    CHECK_INT(wr_sandbox_table_count(table), 2);
    const struct wr_team_use *use = wr_sandbox_table_use(table, TEAM);
    CHECK(use && use->sandboxes == 2 && use == a->use && use == b->use);
    const struct wr_team_use *other = wr_sandbox_table_use(table, "other");
    CHECK(other && other->sandboxes == 0);
    CHECK_STR(a->team_id, TEAM);
    CHECK(wr_sandbox_table_find(table, ID_A) == a);
    CHECK(wr_sandbox_table_find(table, ID_B) == b);
    CHECK_INT(wr_sandbox_table_add(table, ID_A, TEAM, &none, &err), -WR_E_ALREADY_EXISTS);
    CHECK_INT(wr_sandbox_table_add(table, "short", TEAM, &none, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!none);
    wr_sandbox_table_remove(table, a);
    CHECK(!wr_sandbox_table_find(table, ID_A));
    CHECK(!wr_sandbox_table_find(table, "../../etc/passwd"));
    wr_sandbox_table_remove(table, b);
    CHECK_INT(wr_sandbox_table_count(table), 0);
    CHECK_INT(use->sandboxes, 0);
    wr_sandbox_table_free(table);
}

TEST(paused_ones_are_counted_apart)
{
    struct wr_error err = {0};
    struct wr_sandbox *a = NULL, *b = NULL;
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    CHECK(table);
    CHECK_INT(wr_sandbox_table_add(table, ID_A, TEAM, &a, &err), 0);
    CHECK_INT(wr_sandbox_record_new(ID_B, &b, &err), 0);
    b->state = WR_SANDBOX_PAUSED;
    CHECK_INT(wr_sandbox_table_insert(table, b, TEAM, &err), 0);
    const struct wr_team_use *use = a->use;
    CHECK(use->sandboxes == 1 && use->paused == 1 && wr_sandbox_table_paused(table) == 1);
    wr_sandbox_set_state(table, a, WR_SANDBOX_PAUSING);
    CHECK(use->sandboxes == 1 && use->paused == 1);
    wr_sandbox_set_state(table, a, WR_SANDBOX_PAUSED);
    CHECK(use->sandboxes == 0 && use->paused == 2 && wr_sandbox_table_paused(table) == 2);
    wr_sandbox_set_state(table, b, WR_SANDBOX_RESUMING);
    CHECK(use->sandboxes == 1 && use->paused == 1);
    /* What it was until it is gone. */
    wr_sandbox_set_state(table, a, WR_SANDBOX_KILLING);
    CHECK(use->sandboxes == 1 && use->paused == 1);
    wr_sandbox_table_remove(table, a);
    CHECK(use->sandboxes == 1 && use->paused == 0 && wr_sandbox_table_paused(table) == 0);
    wr_sandbox_table_remove(table, b);
    CHECK_INT(use->sandboxes, 0);
    CHECK_INT(wr_sandbox_table_count(table), 0);
    wr_sandbox_table_free(table);
}

TEST(spare_sockets_are_bounded_and_closed)
{
    struct wr_error err = {0};
    struct wr_sandbox *a = NULL;
    struct wr_sandbox_table *table = wr_sandbox_table_new();
    int fds[WR_ACTION_MAX_SOCKETS + 1];
    CHECK_INT(wr_sandbox_table_add(table, ID_A, TEAM, &a, &err), 0);
    CHECK_INT(wr_sandbox_take_socket(a), -1);
    for (size_t i = 0; i < WR_ARRAY_SIZE(fds); i++)
        fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int kept = fds[0];
    wr_sandbox_keep_sockets(a, fds, WR_ARRAY_SIZE(fds));
    CHECK_INT(fds[0], -1);
    CHECK(fds[WR_ACTION_MAX_SOCKETS] >= 0);
    int taken = wr_sandbox_take_socket(a);
    CHECK(taken >= 0);
    wr_sandbox_table_remove(table, a);
    CHECK(fcntl(kept, F_GETFD) < 0);
    CHECK(fcntl(taken, F_GETFD) >= 0);
    wr_sandbox_table_free(table);
}

/* The reply of CREATE: sockets for the ingress, then those of the egress. A number that does not
 * fit the descriptors takes no more than there are. */
TEST(descriptors_of_a_creation)
{
    static const struct {
        size_t fds, egress, sockets_kept, egress_kept;
    } rows[] = {{6, 4, 2, 4}, {4, 0, 4, 0}, {3, 2, 1, 2}, {2, 4, 0, 2}, {7, 6, 1, 4}, {0, 4, 0, 0}};

    for (size_t row = 0; row < WR_ARRAY_SIZE(rows); row++) {
        const struct wr_record seen = {.egress = rows[row].egress};
        struct wr_sandbox *a = NULL;
        struct wr_error err = {0};
        int fds[7], last[7];
        CHECK_INT(wr_sandbox_record_new(ID_A, &a, &err), 0);
        for (size_t i = 0; i < rows[row].fds; i++)
            last[i] = fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        wr_record_keep_fds(a, &seen, fds, rows[row].fds);
        CHECK_INT(a->socket_count, rows[row].sockets_kept);
        for (size_t i = 0; i < WR_ACTION_EGRESS_SOCKETS; i++)
            CHECK_INT(a->egress_fds[i],
                      i < rows[row].egress_kept ? last[rows[row].sockets_kept + i] : -1);
        wr_sandbox_record_free(a);
        for (size_t i = 0; i < rows[row].fds; i++)
            CHECK((fcntl(last[i], F_GETFD) < 0) == (fds[i] < 0));
        for (size_t i = 0; i < rows[row].fds; i++)
            if (fds[i] >= 0)
                close(fds[i]);
    }
}
