/* Answers of upstream resolvers that lie about their lengths, names and pointers. */
#include <errno.h>

#include "dns_fixture.h"
#include "server/egress/dns_forward.h"
#include "server/egress/dns_reader.h"
#include "server/egress/dns_reverse.h"

static struct message m;
static struct wr_dns_found found;

static int addresses(const char *name, uint16_t type)
{
    unsigned char wire[WR_DNS_MAX_WIRE];
    size_t wire_len = wr_dns_name_to_wire(name, wire);
    unsigned char *copy = malloc(m.len ? m.len : 1);

    memset(&found, 0, sizeof found);
    memcpy(copy, m.data, m.len);
    int r = wr_dns_read_addresses(copy, m.len, wire, wire_len, type, &found);
    CHECK_INT(wr_dns_valid(copy, m.len, wire, wire_len, type) || r == -EBADMSG, 1);
    free(copy);
    return r;
}

static void answer(const char *name, uint16_t type)
{
    message_begin(&m, 1, DNS_QR, name, type);
}

static void check_address(size_t i, const char *expected)
{
    char text[WR_IP_TEXT];

    CHECK(i < found.count);
    wr_ip_format(&found.addresses[i], text);
    CHECK_STR(text, expected);
}

TEST(addresses_and_the_shortest_ttl)
{
    answer("A.Test", WR_DNS_A);
    message_address(&m, NULL, "192.0.2.1", 60);
    message_address(&m, "a.TEST", "192.0.2.2", 30);
    message_address(&m, "other.test", "192.0.2.3", 1);
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    CHECK_INT(found.count, 2);
    CHECK_INT(found.ttl_s, 30);
    check_address(0, "192.0.2.1");
    check_address(1, "192.0.2.2");
}

TEST(aliases_in_any_order)
{
    answer("a.test", WR_DNS_AAAA);
    message_address(&m, "c.test", "2001:db8::1", 60);
    message_alias(&m, 0, "b.test", WR_DNS_CNAME, 20, "c.test");
    message_alias(&m, 0, NULL, WR_DNS_CNAME, 40, "B.test");
    CHECK_INT(addresses("a.test", WR_DNS_AAAA), 0);
    CHECK_INT(found.count, 1);
    CHECK_INT(found.ttl_s, 20);
    check_address(0, "2001:db8::1");
}

TEST(aliases_that_go_round)
{
    answer("a.test", WR_DNS_A);
    message_alias(&m, 0, NULL, WR_DNS_CNAME, 40, "b.test");
    message_alias(&m, 0, "b.test", WR_DNS_CNAME, 40, "a.test");
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
}

TEST(addresses_outside_the_answer_section)
{
    answer("a.test", WR_DNS_A);
    message_record(&m, 1, NULL, WR_DNS_A, 1, "\1\2\3\4", 4);
    message_record(&m, 2, NULL, WR_DNS_A, 1, "\1\2\3\4", 4);
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    CHECK_INT(found.count, 0);
}

TEST(no_more_addresses_than_there_is_room)
{
    answer("a.test", WR_DNS_A);
    for (unsigned i = 0; i < WR_DNS_REPLY_ADDRESSES + 5; i++)
        message_address(&m, NULL, "192.0.2.1", 60);
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    CHECK_INT(found.count, WR_DNS_REPLY_ADDRESSES);
}

TEST(mapped_address_as_ipv6)
{
    answer("a.test", WR_DNS_AAAA);
    message_address(&m, NULL, "::ffff:127.0.0.1", 60);
    CHECK_INT(addresses("a.test", WR_DNS_AAAA), 0);
    CHECK_INT(found.count, 0);
}

TEST(answer_to_another_question)
{
    answer("a.test", WR_DNS_A);
    CHECK_INT(addresses("b.test", WR_DNS_A), -EBADMSG);
    CHECK_INT(addresses("a.test", WR_DNS_AAAA), -EBADMSG);
    message_begin(&m, 1, 0, "a.test", WR_DNS_A);
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
    message_begin(&m, 1, DNS_QR, NULL, 0);
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
}

TEST(addresses_of_a_type_without_any)
{
    answer("a.test", WR_DNS_TXT);
    message_record(&m, 0, NULL, WR_DNS_TXT, 1, "\37 this is longer than an address ", 33);
    CHECK_INT(addresses("a.test", WR_DNS_TXT), -EBADMSG);
}

TEST(every_cut_and_what_is_behind)
{
    answer("a.test", WR_DNS_A);
    message_alias(&m, 0, NULL, WR_DNS_CNAME, 40, "b.test");
    message_address(&m, "b.test", "192.0.2.1", 60);
    message_opt(&m, 1232);
    size_t whole = m.len;
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    for (m.len = 0; m.len < whole; m.len++)
        CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
    m.len = whole + 1;
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
}

TEST(lengths_that_lie)
{
    static const struct {
        uint16_t type;
        const char *data;
        size_t len;
    } cases[] = {
        {WR_DNS_A, "\1\2\3", 3},
        {WR_DNS_A, "\1\2\3\4\5", 5},
        {WR_DNS_AAAA, "\1\2\3\4", 4},
        {WR_DNS_CNAME, "\4abc", 4},
        {WR_DNS_CNAME, "\1a\0x", 4},
        {WR_DNS_CNAME, "", 0},
        {WR_DNS_MX, "\0", 1},
        {WR_DNS_MX, "\0\1", 2},
        {WR_DNS_SOA, "\0\0abc", 5},
        {WR_DNS_SRV, "\0\0\0\0\0\0", 6},
        {WR_DNS_TXT, "\5ab", 3},
        {WR_DNS_TXT, "", 0},
        {WR_DNS_HTTPS, "\0\1\5", 3},
        {WR_DNS_CNAME, "\xc0\xff", 2},
        {WR_DNS_CNAME, "\xc0", 1},
        {WR_DNS_CNAME,
         "\x80"
         "a",
         2},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        answer("a.test", WR_DNS_A);
        message_record(&m, 0, NULL, cases[i].type, 1, cases[i].data, cases[i].len);
        CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
    }
    answer("a.test", WR_DNS_A);
    message_address(&m, NULL, "192.0.2.1", 60);
    m.data[m.len - 6] = 0xff; /* RDLENGTH */
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
    answer("a.test", WR_DNS_A);
    m.data[7] = 0xff; /* records that are not there */
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
}

TEST(pointers)
{
    /* To itself, forwards, into the header, and to each other. */
    static const char *const bad[] = {"\xc0\x18", "\xc0\x30", "\xc0\x02", "\xc0\x0b"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++) {
        answer("a.test", WR_DNS_A);
        CHECK_INT(m.len, 0x18);
        m.data[7] = 1;
        message_bytes(&m, bad[i], 2);
        message_bytes(&m, "\0\1\0\1\0\0\0\1\0\4\1\2\3\4", 14);
        CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
    }
    answer("a.test", WR_DNS_A); /* to the second label of the question: fine */
    message_record(&m, 0, NULL, WR_DNS_CNAME, 1, "\1b\xc0\x0e", 4);
    message_address(&m, "b.test", "192.0.2.1", 60);
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    check_address(0, "192.0.2.1");
}

/* Each leads to the one before it: a name of a few bytes costs as many steps as there are. */
TEST(chains_of_pointers)
{
    static const struct {
        unsigned pointers;
        int r;
    } rows[] = {{127, 0}, {128, -EBADMSG}, {4000, -EBADMSG}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(rows); i++) {
        unsigned char data[2 * 4000];
        size_t at = 0x18 + 12; /* where the data of the first record begins */
        for (unsigned k = 0; k < rows[i].pointers; k++) {
            size_t target = k ? at + 2 * (k - 1) : WR_DNS_HEADER;
            data[2 * k] = (unsigned char)(0xc0 | target >> 8);
            data[2 * k + 1] = (unsigned char)target;
        }
        answer("a.test", WR_DNS_A);
        CHECK_INT(m.len, 0x18);
        message_record(&m, 0, NULL, 65280, 60, data, (size_t)2 * rows[i].pointers);
        size_t last = at + 2 * (rows[i].pointers - 1);
        m.data[7]++;
        message_u16(&m, (uint16_t)(0xc000 | last));
        message_bytes(&m, "\0\1\0\1\0\0\0\1\0\4\1\2\3\4", 14);
        CHECK_INT(addresses("a.test", WR_DNS_A), rows[i].r);
    }
}

TEST(too_many_records)
{
    answer("a.test", WR_DNS_A);
    for (unsigned i = 0; i < WR_DNS_MAX_RECORDS; i++)
        message_address(&m, NULL, "192.0.2.1", 60);
    CHECK_INT(addresses("a.test", WR_DNS_A), 0);
    message_address(&m, NULL, "192.0.2.1", 60);
    CHECK_INT(addresses("a.test", WR_DNS_A), -EBADMSG);
}

/* ---- answers that are passed on ---- */

static unsigned char out[WR_DNS_FORWARD_MAX];

static struct wr_dns_forward forward(const char *name, uint16_t type, size_t max)
{
    static struct message question;
    struct wr_dns_question q;
    struct wr_net_guard *guard = NULL;
    struct wr_error err = {0};
    unsigned char wire[WR_DNS_MAX_WIRE];
    size_t wire_len = wr_dns_name_to_wire(name, wire);

    CHECK_INT(wr_guard_new(NULL, &guard, &err), 0);
    message_begin(&question, 77, DNS_RD, name, type);
    message_opt(&question, 4096);
    CHECK_INT(wr_dns_parse_question(question.data, question.len, &q), 0);
    CHECK(wr_dns_valid(m.data, m.len, wire, wire_len, type));
    struct wr_dns_forward f = wr_dns_forward(&q, m.data, m.len, guard, max, out);
    (void)wr_guard_free(guard);
    return f;
}

TEST(passed_on_without_additional)
{
    answer("a.test", WR_DNS_MX);
    message_record(&m, 0, NULL, WR_DNS_MX, 9, "\0\1\4mail\xc0\x0c", 9);
    message_alias(&m, 1, NULL, WR_DNS_NS, 9, "ns.test");
    message_record(&m, 2, "mail.a.test", WR_DNS_A, 9, "\12\0\0\1", 4); /* 10.0.0.1 */
    struct wr_dns_forward f = forward("A.test", WR_DNS_MX, 512);
    CHECK_INT(f.outcome, WR_DNS_FORWARDED);
    CHECK_INT(f.records, 1);
    CHECK_INT(wr_dns_get16(out), 77);
    CHECK_INT(wr_dns_get16(out + 6), 1);
    CHECK_INT(wr_dns_get16(out + 8), 1);
    CHECK_INT(wr_dns_get16(out + 10), 1); /* our OPT */
    CHECK(memcmp(out + 12, "\1A\4test", 8) == 0);
    memcpy(m.data, out, f.len);
    m.len = f.len;
    unsigned char wire[WR_DNS_MAX_WIRE];
    size_t wire_len = wr_dns_name_to_wire("a.test", wire);
    CHECK(wr_dns_valid(m.data, m.len, wire, wire_len, WR_DNS_MX));
}

TEST(passed_on_truncated)
{
    char text[256];

    memset(text, 'x', sizeof text);
    text[0] = (char)0xff;
    answer("a.test", WR_DNS_TXT);
    for (unsigned i = 0; i < 3; i++)
        message_record(&m, 0, NULL, WR_DNS_TXT, 9, text, sizeof text);
    struct wr_dns_forward f = forward("a.test", WR_DNS_TXT, 512);
    CHECK_INT(f.outcome, WR_DNS_FORWARDED);
    CHECK(f.len < 100 && wr_dns_get16(out + 2) & DNS_TC);
    CHECK_INT(wr_dns_get16(out + 6), 0);
    f = forward("a.test", WR_DNS_TXT, WR_DNS_FORWARD_MAX);
    CHECK(f.len > 3 * sizeof text && !(wr_dns_get16(out + 2) & DNS_TC));
    for (unsigned i = 0; i < 40; i++)
        message_record(&m, 0, NULL, WR_DNS_TXT, 9, text, sizeof text);
    f = forward("a.test", WR_DNS_TXT, WR_DNS_FORWARD_MAX);
    CHECK_INT(f.outcome, WR_DNS_FORWARD_BAD);
}

TEST(passed_on_unless_it_leads_inside)
{
    answer("a.test", WR_DNS_HTTPS); /* priority 1, target ".", ipv4hint */
    message_record(&m, 0, NULL, WR_DNS_HTTPS, 9, "\0\1\0\0\4\0\4\xc6\x33\x64\1", 11);
    CHECK_INT(forward("a.test", WR_DNS_HTTPS, 512).outcome, WR_DNS_FORWARDED);
    message_record(&m, 0, NULL, WR_DNS_HTTPS, 9, "\0\1\0\0\4\0\4\12\0\0\1", 11);
    struct wr_dns_forward f = forward("a.test", WR_DNS_HTTPS, 512);
    CHECK_INT(f.outcome, WR_DNS_FORWARD_BLOCKED);
    CHECK(f.blocked && strstr(f.blocked, "10.0.0.0/8"));
    answer("a.test", WR_DNS_HTTPS); /* a hint that ends in the middle of an address */
    message_record(&m, 0, NULL, WR_DNS_HTTPS, 9, "\0\1\0\0\4\0\3\12\0\0", 10);
    CHECK_INT(forward("a.test", WR_DNS_HTTPS, 512).outcome, WR_DNS_FORWARD_BAD);
    answer("a.test", WR_DNS_MX);
    message_record(&m, 0, "b.test", WR_DNS_A, 9, "\x7f\0\0\1", 4);
    CHECK_INT(forward("a.test", WR_DNS_MX, 512).outcome, WR_DNS_FORWARD_BLOCKED);
}

TEST(rcodes_that_are_passed_on)
{
    for (unsigned rcode = 0; rcode < 16; rcode++) {
        answer("a.test", WR_DNS_MX);
        m.data[3] = (unsigned char)rcode;
        struct wr_dns_forward f = forward("a.test", WR_DNS_MX, 512);
        if (rcode == WR_DNS_NOERROR || rcode == WR_DNS_NXDOMAIN) {
            CHECK_INT(f.outcome, WR_DNS_FORWARDED);
            CHECK_INT(out[3] & 0xf, rcode);
        } else {
            CHECK_INT(f.outcome, WR_DNS_FORWARD_BAD);
        }
    }
}

TEST(reverse_names)
{
    static const struct {
        const char *name;
        enum wr_dns_reverse kind;
        const char *address;
    } cases[] = {
        {"4.3.2.1.in-addr.arpa", WR_DNS_REVERSE_ADDRESS, "1.2.3.4"},
        {"255.0.0.10.in-addr.arpa", WR_DNS_REVERSE_ADDRESS, "10.0.0.255"},
        {"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
         WR_DNS_REVERSE_ADDRESS, "2001:db8::1"},
        {"in-addr.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"10.in-addr.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"5.4.3.2.1.in-addr.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"256.3.2.1.in-addr.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"x.3.2.1.in-addr.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"ip6.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"1.0.ip6.arpa", WR_DNS_REVERSE_OTHER, NULL},
        {"4.3.2.1.xin-addr.arpa", WR_DNS_REVERSE_NONE, NULL},
        {"in-addr.arpa.test", WR_DNS_REVERSE_NONE, NULL},
        {"", WR_DNS_REVERSE_NONE, NULL},
    };

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_ip ip;
        char text[WR_IP_TEXT];
        CHECK_INT(wr_dns_reverse_parse(cases[i].name, &ip), cases[i].kind);
        if (cases[i].address) {
            wr_ip_format(&ip, text);
            CHECK_STR(text, cases[i].address);
        }
    }
}
