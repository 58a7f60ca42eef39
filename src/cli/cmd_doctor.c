#include "cli/cmd_doctor.h"

#include <errno.h>
#include <stdio.h>

#include "cli/criu_check.h"
#include "cli/doctor_checks.h"
#include "cli/out.h"
#include "json/jread.h"

struct values {
    bool json;
};

static const struct wr_opt opts[] = {
    {"json", 0, WR_OPT_FLAG, offsetof(struct values, json), NULL, "a JSON array", 0, 0, false},
};

static const char *const words[] = {
    [WR_HEALTH_OK] = "ok", [WR_HEALTH_WARN] = "warn", [WR_HEALTH_FAIL] = "fail"};

static void print_finding(const char *name, const struct wr_finding *f)
{
    printf("%-5s %s: %s\n", words[f->health], name, f->found);
    if (f->cost)
        printf("      cost: %s\n", f->cost);
    if (f->mend)
        printf("      mend: %s\n", f->mend);
}

static int run(const struct wr_invocation *in, struct wr_error *err)
{
    const struct values *values = in->values;
    const struct wr_doctor_place place = {in->common->socket_path, in->common->data_dir,
                                          wr_criu_setting(in->conf)};
    wr_auto_json *json = json_array();
    size_t failures = 0;

    for (size_t i = 0; i < wr_doctor_check_count; i++) {
        struct wr_finding finding = {0};

        wr_doctor_checks[i].run(&place, &finding);
        failures += finding.health == WR_HEALTH_FAIL;
        if (!values->json) {
            print_finding(wr_doctor_checks[i].name, &finding);
            continue;
        }
        json_t *item = json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "check", wr_doctor_checks[i].name,
                                 "status", words[finding.health], "found", finding.found, "cost",
                                 finding.cost, "mend", finding.mend);
        if (!item || json_array_append_new(json, item) < 0)
            return wr_fail(err, WR_E_RESOURCE_EXHAUSTED, ENOMEM, "findings");
    }
    if (values->json) {
        int r = wr_print_json(json, err);
        if (r < 0)
            return r;
    }
    return failures ? wr_code_exit_status(WR_E_FAILED_PRECONDITION) : 0;
}

const struct wr_command wr_cmd_doctor = {
    .name = "doctor",
    .summary = "Check what this machine offers, what is missing, and how to mend it",
    .usage = "[--json]",
    .details = "Ends with a failure when sandboxes cannot be made.",
    .opts = opts,
    .opt_count = WR_ARRAY_SIZE(opts),
    .values_size = sizeof(struct values),
    .run = run,
};
