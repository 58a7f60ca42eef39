/* Which hierarchies wr_cgroup_layout_parse() sees in texts of real hosts. */
#include "engine/cgroup/hierarchy.h"
#include "engine/storage/mountinfo.h"
#include "test.h"

static const char v2_mounts[] =
    "22 27 0:21 / /proc rw,relatime - proc proc rw\n"
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 "
    "rw,nsdelegate,memory_recursiveprot\n";
static const char v1_mounts[] =
    "31 23 0:28 / /sys/fs/cgroup ro,nosuid shared:8 - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 / /sys/fs/cgroup/systemd rw shared:9 - cgroup cgroup rw,xattr,name=systemd\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw shared:10 - cgroup cgroup rw,cpuset\n"
    "34 31 0:31 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n"
    "36 31 0:33 / /sys/fs/cgroup/pids rw shared:13 - cgroup cgroup rw,pids\n";
static const char v1_own[] = "12:pids:/system.slice/warren.service\n"
                             "5:memory:/system.slice/warren.service\n"
                             "4:cpu,cpuacct:/\n"
                             "3:cpuset:/\n"
                             "1:name=systemd:/system.slice/warren.service\n"
                             "0::/system.slice/warren.service\n";

static struct wr_cgroup_layout layout;
static struct wr_error err;

TEST(v2_only)
{
    CHECK_INT(wr_cgroup_layout_parse(v2_mounts, "0::/system.slice/warren.service\n", &layout, &err),
              0);
    CHECK(layout.has_v2);
    CHECK_INT(layout.v1_count, 0);
    CHECK_STR(layout.v2.mount, "/sys/fs/cgroup");
    CHECK_STR(layout.v2.own, "/system.slice/warren.service");
    CHECK(!layout.v2.read_only);
}

TEST(v1_only_with_cpu_and_cpuacct_together)
{
    CHECK_INT(wr_cgroup_layout_parse(v1_mounts, v1_own, &layout, &err), 0);
    CHECK(!layout.has_v2);
    CHECK_INT(layout.v1_count, 3);
    CHECK_INT(layout.v1[0].controllers, WR_CONTROLLER_CPU);
    CHECK_STR(layout.v1[0].mount, "/sys/fs/cgroup/cpu,cpuacct");
    CHECK_STR(layout.v1[0].own, "");
    CHECK_INT(layout.v1[1].controllers, WR_CONTROLLER_MEMORY);
    CHECK_STR(layout.v1[1].own, "/system.slice/warren.service");
    CHECK_INT(layout.v1[2].controllers, WR_CONTROLLER_PIDS);
}

TEST(systemd_hybrid)
{
    char text[4096];
    snprintf(text, sizeof(text), "%s%s", v1_mounts,
             "37 31 0:34 / /sys/fs/cgroup/unified rw shared:14 - cgroup2 cgroup2 rw,nsdelegate\n");
    CHECK_INT(wr_cgroup_layout_parse(text, v1_own, &layout, &err), 0);
    CHECK(layout.has_v2);
    CHECK_INT(layout.v1_count, 3);
    CHECK_STR(layout.v2.mount, "/sys/fs/cgroup/unified");
}

TEST(all_v1_controllers_in_one_hierarchy)
{
    CHECK_INT(
        wr_cgroup_layout_parse("1 2 0:3 / /c rw - cgroup none rw,cpu,cpuacct,memory,pids\n"
                               "2 2 0:3 / /again rw - cgroup none rw,cpu,cpuacct,memory,pids\n",
                               "1:cpu,cpuacct,memory,pids:/a\n", &layout, &err),
        0);
    CHECK_INT(layout.v1_count, 1);
    CHECK_INT(layout.v1[0].controllers, WR_CONTROLLERS_ALL);
    CHECK_STR(layout.v1[0].mount, "/c");
    CHECK_STR(layout.v1[0].own, "/a");
}

TEST(container_that_sees_a_part_of_the_hierarchy)
{
    const char *mounts = "1 2 0:3 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
    CHECK_INT(wr_cgroup_layout_parse(mounts, "5:memory:/docker/abc/x\n", &layout, &err), 0);
    CHECK_STR(layout.v1[0].own, "/x");
    CHECK(layout.v1[0].read_only);
    /* A path that only begins alike is outside. */
    CHECK_INT(wr_cgroup_layout_parse(mounts, "5:memory:/docker/abcdef\n", &layout, &err), 0);
    CHECK_STR(layout.v1[0].own, "");
    /* A cgroup namespace shows what is above it like this. */
    mounts = "1 2 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
    CHECK_INT(wr_cgroup_layout_parse(mounts, "5:memory:/../other\n", &layout, &err), 0);
    CHECK_STR(layout.v1[0].own, "");
}

TEST(escapes_in_mount_points)
{
    CHECK_INT(wr_cgroup_layout_parse("1 2 0:3 / /with\\040blank rw - cgroup2 c rw\n", "0::/\n",
                                     &layout, &err),
              0);
    CHECK_STR(layout.v2.mount, "/with blank");
    CHECK_STR(layout.v2.own, "");
}

TEST(nothing_mounted_is_refused_with_a_remedy)
{
    CHECK_INT(wr_cgroup_layout_parse("1 2 0:3 / /proc rw - proc proc rw\n", "", &layout, &err),
              -WR_E_FAILED_PRECONDITION);
    CHECK(strstr(err.msg, "mount -t cgroup2"));
    CHECK_INT(wr_cgroup_layout_parse("", "", &layout, &err), -WR_E_FAILED_PRECONDITION);
    /* Lines cut short are not mounts. */
    CHECK_INT(wr_cgroup_layout_parse("1 2 0:3 / /c rw - cgroup2\n", "0::/\n", &layout, &err),
              -WR_E_FAILED_PRECONDITION);
}

TEST(too_long_paths_are_refused)
{
    char text[3000];
    memset(text, 'a', sizeof(text));
    memcpy(text, "1 2 0:3 / /", 11);
    static const char tail[] = " rw - cgroup2 c rw\n";
    memcpy(text + WR_CGROUP_PATH_MAX + 20, tail, sizeof(tail));
    CHECK_INT(wr_cgroup_layout_parse(text, "0::/\n", &layout, &err), -WR_E_FAILED_PRECONDITION);
}

TEST(controller_lists)
{
    CHECK_INT(wr_controllers_parse("cpuset cpu io memory hugetlb pids rdma\n"), WR_CONTROLLERS_ALL);
    CHECK_INT(wr_controllers_parse("cpuset,cpuacct"), 0);
    CHECK_INT(wr_controllers_parse(""), 0);
    CHECK_INT(wr_controllers_parse("pids"), WR_CONTROLLER_PIDS);
    char names[32];
    wr_controllers_format(WR_CONTROLLER_CPU | WR_CONTROLLER_PIDS, names, sizeof(names));
    CHECK_STR(names, "cpu, pids");
}

TEST(bandwidth_keeps_the_ratio_and_the_limits_of_the_kernel)
{
    static const struct {
        uint32_t millis;
        uint64_t quota, period;
    } cases[] = {
        {1000, 20000, 20000}, {500, 10000, 20000}, {8000, 160000, 20000}, {50, 1000, 20000},
        {49, 1000, 20409},    {10, 1000, 100000},  {1, 1000, 1000000},
    };
    for (size_t i = 0; i < WR_ARRAY_SIZE(cases); i++) {
        uint64_t quota = 0, period = 0;
        wr_cpu_bandwidth(cases[i].millis, &quota, &period);
        CHECK_INT(quota, cases[i].quota);
        CHECK_INT(period, cases[i].period);
    }
}

TEST(mount_options)
{
    CHECK(wr_mountinfo_has_option("rw,nosuid,nodev", "nosuid"));
    CHECK(wr_mountinfo_has_option("rw", "rw"));
    CHECK(wr_mountinfo_has_option("a,rw", "rw"));
    CHECK(!wr_mountinfo_has_option("rw,nosuid", "nosui"));
    CHECK(!wr_mountinfo_has_option("rw,nosuid", "suid"));
    CHECK(!wr_mountinfo_has_option("", "ro"));
}
