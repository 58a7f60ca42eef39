#include "cli/slo_view.h"
#include "test.h"

TEST(rates)
{
    static const struct {
        const char *text;
        double rate;
    } cases[] = {{"0.99", 0.99}, {"1", 1}, {"1.0", 1}, {"0.0001", 0.0001}, {".5", 0.5}};

    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        struct wr_error err = {0};
        double rate = 0;
        CHECK_INT(wr_slo_rate_read(cases[i].text, &rate, &err), 0);
        CHECK(rate == cases[i].rate);
    }
}

TEST(texts_that_are_no_rates)
{
    static const char *const texts[] = {"",     "0",   "0.0", "1.01", "99",   "-1", "0x1",
                                        "1e-2", "nan", "inf", "0.9 ", "0..9", ".",  "0.9%"};

    for (size_t i = 0; i < WR_ARRAY_SIZE(texts); i++) {
        struct wr_error err = {0};
        double rate = 7;
        CHECK_INT(wr_slo_rate_read(texts[i], &rate, &err), -WR_E_INVALID_ARGUMENT);
        CHECK(strstr(err.msg, "--success"));
        CHECK(rate == 7);
    }
}
