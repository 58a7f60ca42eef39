/* Which name was asked for before an address. */
#include <stdio.h>

#include "server/egress/answered_names.h"
#include "test.h"

static struct wr_answered_names names;

static void add(const char *address, const char *name)
{
    struct wr_ip ip;

    CHECK(wr_ip_parse(address, &ip));
    wr_answered_names_add(&names, &ip, name);
}

static const char *find(const char *address)
{
    struct wr_ip ip;

    CHECK(wr_ip_parse(address, &ip));
    return wr_answered_names_find(&names, &ip);
}

TEST(the_last_name_of_an_address)
{
    add("198.51.100.1", "one.test");
    add("2001:db8::1", "six.test");
    CHECK_STR(find("198.51.100.1"), "one.test");
    CHECK_STR(find("2001:db8::1"), "six.test");
    CHECK(find("198.51.100.2") == NULL);
    add("198.51.100.1", "two.test");
    CHECK_STR(find("198.51.100.1"), "two.test");
    wr_answered_names_done(&names);
    CHECK(find("198.51.100.1") == NULL);
}

TEST(the_oldest_address_makes_room)
{
    char address[20];

    for (int i = 0; i <= WR_ANSWERED_NAMES_MAX; i++) {
        (void)snprintf(address, sizeof address, "198.51.100.%d", i);
        add(address, address);
    }
    CHECK(find("198.51.100.0") == NULL);
    CHECK_STR(find("198.51.100.1"), "198.51.100.1");
    CHECK_STR(find(address), address);
    wr_answered_names_done(&names);
}
