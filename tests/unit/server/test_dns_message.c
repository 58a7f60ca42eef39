/* Questions of a hostile sandbox, and the answers that are built for it. */
#include <errno.h>

#include "base/str.h"
#include "dns_fixture.h"

static struct message m;
static struct wr_dns_question q;

static int parse(void)
{
    /* On the heap with its exact size, for sanitizers. */
    unsigned char *copy = malloc(m.len ? m.len : 1);

    memcpy(copy, m.data, m.len);
    int r = wr_dns_parse_question(copy, m.len, &q);
    free(copy);
    return r;
}

static void ask(const char *name, uint16_t type)
{
    message_begin(&m, 0x1234, DNS_RD, name, type);
}

TEST(plain_question)
{
    ask("WwW.Example.com", WR_DNS_A);
    CHECK_INT(parse(), 0);
    CHECK_STR(q.name, "www.example.com");
    CHECK_INT(q.id, 0x1234);
    CHECK_INT(q.type, WR_DNS_A);
    CHECK_INT(q.class, WR_DNS_CLASS_IN);
    CHECK(q.recursion && !q.edns);
    CHECK_INT(q.udp_size, 512);
    CHECK_INT(q.wire_len, 17);
    CHECK(memcmp(q.wire + 1, "WwW", 3) == 0);
}

TEST(edns_size_is_bounded)
{
    static const struct {
        uint16_t said, taken;
    } cases[] = {{0, 512}, {511, 512}, {900, 900}, {1232, 1232}, {4096, 1232}, {65535, 1232}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        ask("a.test", WR_DNS_A);
        message_opt(&m, cases[i].said);
        CHECK_INT(parse(), 0);
        CHECK(q.edns);
        CHECK_INT(q.udp_size, cases[i].taken);
    }
}

TEST(edns_options_are_checked)
{
    static const unsigned char cookie[] = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8};

    ask("a.test", WR_DNS_A);
    message_opt(&m, 1232);
    m.data[m.len - 1] = sizeof cookie;
    message_bytes(&m, cookie, sizeof cookie);
    CHECK_INT(parse(), 0);
    m.data[m.len - 9] = 9; /* the option says that it is longer than the record */
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

TEST(edns_of_another_version)
{
    unsigned char out[WR_DNS_REPLY_MAX];
    struct wr_dns_reply reply = {.rcode = WR_DNS_BADVERS};

    ask("a.test", WR_DNS_A);
    message_opt(&m, 1232);
    m.data[m.len - 5] = 1;
    CHECK_INT(parse(), WR_DNS_BADVERS);
    CHECK_INT(wr_dns_build_reply(&q, &reply, 512, out), WR_DNS_HEADER + WR_DNS_OPT);
    CHECK_INT(out[3] & 0xf, 0);
    CHECK_INT(out[WR_DNS_HEADER + 5], 1);
}

TEST(what_gets_no_answer)
{
    ask("a.test", WR_DNS_A);
    for (m.len = 0; m.len < WR_DNS_HEADER; m.len++)
        CHECK_INT(parse(), -EINVAL);
    message_begin(&m, 1, DNS_QR | DNS_RD, "a.test", WR_DNS_A);
    CHECK_INT(parse(), -EINVAL);
}

TEST(every_cut_is_malformed)
{
    ask("a.test", WR_DNS_A);
    message_opt(&m, 1232);
    size_t whole = m.len;
    for (m.len = WR_DNS_HEADER; m.len < whole; m.len++)
        CHECK_INT(parse(), WR_DNS_FORMERR);
    m.len = whole + 1;
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

TEST(header_that_is_no_question)
{
    static const struct {
        uint16_t flags;
        int expected;
    } cases[] = {{0x0800, WR_DNS_NOTIMP},
                 {0x2800, WR_DNS_NOTIMP},
                 {0x0400, WR_DNS_FORMERR},
                 {0x0200, WR_DNS_FORMERR},
                 {0x0040, WR_DNS_FORMERR},
                 {0x0003, WR_DNS_FORMERR},
                 {0x0030, 0}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        message_begin(&m, 7, cases[i].flags, "a.test", WR_DNS_A);
        CHECK_INT(parse(), cases[i].expected);
        CHECK_INT(q.id, 7);
    }
}

TEST(counts_other_than_one_question)
{
    for (unsigned at = 5; at <= 11; at += 2) {
        ask("a.test", WR_DNS_A);
        m.data[at]++;
        CHECK_INT(parse(), WR_DNS_FORMERR);
    }
    message_begin(&m, 1, 0, NULL, 0);
    CHECK_INT(parse(), WR_DNS_FORMERR);
    ask("a.test", WR_DNS_A); /* an additional record that is no OPT */
    message_record(&m, 2, NULL, WR_DNS_A, 1, "abcd", 4);
    CHECK_INT(parse(), WR_DNS_FORMERR);
    ask("a.test", WR_DNS_A); /* two of them */
    message_opt(&m, 1232);
    message_opt(&m, 1232);
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

TEST(names)
{
    char text[300];

    ask("", WR_DNS_NS);
    CHECK_INT(parse(), 0);
    CHECK_STR(q.name, "");
    memset(text, 'a', sizeof text);
    text[63] = '\0';
    ask(text, WR_DNS_A);
    CHECK_INT(parse(), 0);
    text[63] = 'a';
    text[64] = '\0'; /* 64 is no length of a label */
    ask(text, WR_DNS_A);
    CHECK_INT(parse(), WR_DNS_FORMERR);
    text[64] = 'a';
    for (size_t i = 49; i < sizeof text; i += 50)
        text[i] = '.';
    text[253] = '\0';
    ask(text, WR_DNS_A);
    CHECK_INT(parse(), 0);
    CHECK_STR(q.name, text);
    text[253] = 'a';
    text[254] = '\0';
    ask(text, WR_DNS_A);
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

TEST(bytes_that_no_name_has)
{
    for (unsigned c = 1; c < 256; c++) {
        char name[] = "x?y.test";
        if (c == '.')
            continue;
        name[1] = (char)c;
        ask(name, WR_DNS_A);
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        CHECK_INT(parse(), fine ? 0 : WR_DNS_FORMERR);
    }
    ask("xyz.test", WR_DNS_A);
    m.data[13] = '\0';
    CHECK_INT(parse(), WR_DNS_FORMERR);
    m.data[13] = '.'; /* would read as another name */
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

TEST(compression_in_a_question)
{
    message_begin(&m, 1, 0, NULL, 0);
    m.data[5] = 1;
    message_bytes(&m, "\1a\xc0\x0c", 4);
    message_u16(&m, WR_DNS_A);
    message_u16(&m, WR_DNS_CLASS_IN);
    CHECK_INT(parse(), WR_DNS_FORMERR);
}

static struct wr_ip ip_of(const char *text)
{
    struct wr_ip ip;

    CHECK(wr_ip_parse(text, &ip));
    return ip;
}

TEST(answer_with_addresses)
{
    const struct wr_ip ips[] = {ip_of("192.0.2.1"), ip_of("2001:db8::1"), ip_of("192.0.2.2")};
    const struct wr_dns_reply reply = {.addresses = ips, .count = 3, .ttl_s = 0x010203};
    static const unsigned char expected[] = "\x12\x34\x81\x80\0\1\0\2\0\0\0\1"
                                            "\1A\4TeSt\0\0\1\0\1"
                                            "\xc0\x0c\0\1\0\1\0\1\2\3\0\4\xc0\0\2\1"
                                            "\xc0\x0c\0\1\0\1\0\1\2\3\0\4\xc0\0\2\2"
                                            "\0\0\x29\4\xd0\0\0\0\0\0\0";
    unsigned char out[WR_DNS_REPLY_MAX];

    ask("A.TeSt", WR_DNS_A);
    message_opt(&m, 4096);
    CHECK_INT(parse(), 0);
    size_t len = wr_dns_build_reply(&q, &reply, q.udp_size, out);
    CHECK_INT(len, sizeof expected - 1);
    CHECK(memcmp(out, expected, len) == 0);
}

TEST(answer_that_does_not_fit)
{
    struct wr_ip ips[WR_DNS_REPLY_ADDRESSES + 3];
    const struct wr_dns_reply reply = {.addresses = ips, .count = WR_ARRAY_SIZE(ips), .ttl_s = 9};
    unsigned char out[WR_DNS_REPLY_MAX];
    char name[251];

    for (size_t i = 0; i < WR_ARRAY_SIZE(ips); i++)
        ips[i] = ip_of("2001:db8::1");
    memset(name, 'a', sizeof name);
    for (size_t i = 9; i < sizeof name; i += 10)
        name[i] = '.';
    name[250] = '\0';
    name[249] = 'a';
    ask(name, WR_DNS_AAAA);
    CHECK_INT(parse(), 0);
    size_t len = wr_dns_build_reply(&q, &reply, q.udp_size, out);
    CHECK(len <= 512);
    CHECK(wr_dns_get16(out + 2) & DNS_TC);
    CHECK_INT(wr_dns_get16(out + 6), 0);
    len = wr_dns_build_reply(&q, &reply, WR_DNS_MAX_MESSAGE, out);
    CHECK(len > 512 && len <= sizeof out);
    CHECK(!(wr_dns_get16(out + 2) & DNS_TC));
    CHECK_INT(wr_dns_get16(out + 6), WR_DNS_REPLY_ADDRESSES);
}

TEST(answer_to_what_was_malformed)
{
    const struct wr_dns_reply reply = {.rcode = WR_DNS_FORMERR};
    unsigned char out[WR_DNS_REPLY_MAX];

    ask("a.test", WR_DNS_A);
    m.len--;
    CHECK_INT(parse(), WR_DNS_FORMERR);
    CHECK_INT(wr_dns_build_reply(&q, &reply, 512, out), WR_DNS_HEADER);
    CHECK_INT(wr_dns_get16(out), 0x1234);
    CHECK_INT(wr_dns_get16(out + 2), 0x8181);
    CHECK_INT(wr_dns_get16(out + 4), 0);
}

TEST(names_for_questions_upstream)
{
    unsigned char wire[WR_DNS_MAX_WIRE], out[WR_DNS_QUERY_MAX];
    static const char *const bad[] = {"", ".", "a.", ".a", "a..b", "a b", "a/b", "\xc3\xa4.test"};

    CHECK_INT(wr_dns_name_to_wire("Ab.test", wire), 9);
    CHECK(memcmp(wire, "\2ab\4test", 9) == 0);
    for (size_t i = 0; i < WR_ARRAY_SIZE(bad); i++)
        CHECK_INT(wr_dns_name_to_wire(bad[i], wire), 0);
    CHECK_INT(wr_dns_name_to_wire("Ab.test", wire), 9);
    m.len = wr_dns_build_query(99, wire, 9, WR_DNS_AAAA, out);
    memcpy(m.data, out, m.len);
    CHECK_INT(parse(), 0); /* is a question by our own rules */
    CHECK_STR(q.name, "ab.test");
    CHECK_INT(q.type, WR_DNS_AAAA);
    CHECK(q.edns && q.recursion);
    CHECK_INT(q.udp_size, WR_DNS_UDP_MAX);
}

TEST(texts)
{
    char text[WR_DNS_TYPE_TEXT];

    wr_dns_type_text(WR_DNS_HTTPS, text);
    CHECK_STR(text, "HTTPS");
    wr_dns_type_text(65535, text);
    CHECK_STR(text, "TYPE65535");
    CHECK_STR(wr_dns_rcode_text(WR_DNS_REFUSED), "REFUSED");
    CHECK_STR(wr_dns_rcode_text(15), "error");
}
