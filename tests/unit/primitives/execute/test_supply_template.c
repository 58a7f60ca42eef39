#include "primitives/execute/supply_template.h"
#include "test.h"

TEST(everything_is_copied)
{
    char name[] = "base", env[] = "A=1", pair[] = "k=v", address[] = "1.1.1.1", volume[] = "v:/v";
    const char *envs[] = {env}, *metadata[] = {pair}, *allow[] = {address}, *volumes[] = {volume};
    struct wr_supply_template tmpl = {0};
    struct wr_error err = {0};
    const struct wr_sandbox_opts opts = {.struct_size = sizeof opts,
                                         .template_name = name,
                                         .timeout_s = 7,
                                         .envs = envs,
                                         .env_count = 1,
                                         .metadata = metadata,
                                         .metadata_count = 1,
                                         .allow_out = allow,
                                         .allow_out_count = 1,
                                         .volumes = volumes,
                                         .volume_count = 1,
                                         .memory_bytes = 5};

    CHECK_INT(wr_supply_template_init(&tmpl, &opts, &err), 0);
    name[0] = env[0] = pair[0] = address[0] = volume[0] = '?';
    CHECK_STR(tmpl.opts.template_name, "base");
    CHECK_STR(tmpl.opts.envs[0], "A=1");
    CHECK_STR(tmpl.opts.metadata[0], "k=v");
    CHECK_STR(tmpl.opts.allow_out[0], "1.1.1.1");
    CHECK_STR(tmpl.opts.volumes[0], "v:/v");
    CHECK(tmpl.opts.timeout_s == 7 && tmpl.opts.memory_bytes == 5);
    wr_supply_template_done(&tmpl);
    wr_supply_template_done(&tmpl);
}

TEST(none_are_the_defaults)
{
    struct wr_supply_template tmpl = {0};
    struct wr_error err = {0};

    CHECK_INT(wr_supply_template_init(&tmpl, NULL, &err), 0);
    CHECK_INT(tmpl.opts.struct_size, sizeof tmpl.opts);
    CHECK(!tmpl.opts.template_name && tmpl.opts.metadata_count == 0);
    wr_supply_template_done(&tmpl);
}

TEST(a_list_without_its_items_is_refused_and_the_others_are_not_touched)
{
    const char *metadata[] = {"k=v"};
    struct wr_supply_template tmpl = {0};
    struct wr_error err = {0};
    const struct wr_sandbox_opts opts = {
        .struct_size = sizeof opts, .env_count = 1, .metadata = metadata, .metadata_count = 1};

    CHECK_INT(wr_supply_template_init(&tmpl, &opts, &err), -WR_E_INVALID_ARGUMENT);
    CHECK(!tmpl.opts.metadata);
}

TEST(metadata_is_added_unless_it_is_the_callers_or_empty)
{
    const char *metadata[] = {"a=mine", "bb=x"};
    struct wr_supply_template tmpl = {0};
    struct wr_error err = {0};
    const char *const *all = NULL;
    size_t count = 0;
    const struct wr_metadata_pair pairs[] = {{"a", "theirs"}, {"b", "1"}, {"c", ""}, {"d", NULL}};

    CHECK_INT(wr_supply_template_init(
                  &tmpl,
                  &(struct wr_sandbox_opts){.struct_size = sizeof(struct wr_sandbox_opts),
                                            .metadata = metadata,
                                            .metadata_count = 2},
                  &err),
              0);
    CHECK_INT(wr_supply_template_metadata(&tmpl, pairs, 4, &all, &count, &err), 0);
    CHECK_INT(count, 3);
    CHECK_STR(all[0], "a=mine");
    CHECK_STR(all[1], "bb=x");
    CHECK_STR(all[2], "b=1");
    free((void *)(uintptr_t)all);
    wr_supply_template_done(&tmpl);
}
