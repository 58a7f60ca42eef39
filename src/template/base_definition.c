#include "template/base_definition.h"

/* Raised when the code that makes the tree changes in a way that the lists below do not show. */
#define DEFINITION_VERSION 1

const char *const wr_base_packages[] = {
    /* Python */
    "python3", "python3-pip", "python3-venv", "python-is-python3", "ipython3", "python3-numpy",
    "python3-pandas", "python3-matplotlib", "python3-requests", "python3-pil",
    /* other languages and building */
    "nodejs", "build-essential", "git",
    /* what commands and SDK helpers call */
    "bash", "ca-certificates", "curl", "file", "iproute2", "iputils-ping", "jq", "less",
    "ncurses-bin", "netbase", "openssl", "procps", "ripgrep", "sqlite3", "sudo", "tzdata", "unzip",
    "wget", "xz-utils", "zip",
    /* resolves the sandbox's own host name, which sudo asks for, without a line in /etc/hosts */
    "libnss-myhostname", NULL};

const char *const wr_base_sources[] = {
    "deb http://deb.debian.org/debian trixie main",
    "deb http://deb.debian.org/debian trixie-updates main",
    "deb http://deb.debian.org/debian-security trixie-security main",
    NULL,
};

const char *const wr_base_tool_opts[] = {
    "--variant=minbase",
    "--mode=root",
    "--format=directory",
    "--verbose",
    "--aptopt=APT::Install-Recommends \"false\"",
    "--aptopt=Acquire::Languages \"none\"",
    "--aptopt=Acquire::Retries \"3\"",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/unicode/*",
    "--dpkgopt=path-exclude=/usr/bin/*-lto-dump-*",
    "--dpkgopt=force-unsafe-io",
    NULL,
};

const char wr_base_fetch[] =
    "set -eu\n"
    "root=$1\n"
    "# npm as its project publishes it: the Debian package needs 340 others.\n"
    "npm=10.9.4\n"
    "sum=3a7506f37e85c1ba1021baad79f0cd9724748131f321fc117c4dc3ba235ec01be7327584a41d15117c01945560aa9373220628fcc1e1dddd877a5fe9b336a900\n"
    "curl -fsS --retry 3 -o \"$root/npm.tgz\" \"https://registry.npmjs.org/npm/-/npm-$npm.tgz\"\n"
    "echo \"$sum  $root/npm.tgz\" | sha512sum --check --quiet\n";

/* Python's test directories cannot be left out by dpkg: py3compile fails on files that are missing.
 */
const char wr_base_customize[] =
    "set -eu\n"
    "root=$1\n"
    "# Files that no program in a sandbox needs: tests of Python packages, static libraries of the sanitizers and of OpenSSL.\n"
    "find \"$root/usr/lib/python3\" \"$root/usr/lib/python3.13\" -depth -type d -name tests -exec rm -rf {} +\n"
    "rm -rf \"$root/usr/lib/python3.13/idlelib\" \"$root/usr/lib/python3.13/EXTERNALLY-MANAGED\"\n"
    "rm -f \"$root\"/usr/lib/gcc/*/*/lib?san.a \"$root\"/usr/lib/gcc/*/*/lib??san.a \"$root\"/usr/lib/*/libmvec.a\n"
    "mkdir -p \"$root/usr/local/lib/node_modules/npm\"\n"
    "tar -xzf \"$root/npm.tgz\" -C \"$root/usr/local/lib/node_modules/npm\" --strip-components=1 --no-same-owner \\\n"
    "    --exclude=package/docs --exclude=package/man\n"
    "rm \"$root/npm.tgz\"\n"
    "ln -s ../lib/node_modules/npm/bin/npm-cli.js \"$root/usr/local/bin/npm\"\n"
    "ln -s ../lib/node_modules/npm/bin/npx-cli.js \"$root/usr/local/bin/npx\"\n"
    "# The user of sandboxes.\n"
    "chroot \"$root\" groupadd --gid 1000 user\n"
    "chroot \"$root\" useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash user\n"
    "echo 'user ALL=(ALL:ALL) NOPASSWD: ALL' > \"$root/etc/sudoers.d/user\"\n"
    "chmod 0440 \"$root/etc/sudoers.d/user\"\n"
    "echo 'LANG=C.UTF-8' > \"$root/etc/default/locale\"\n"
    "echo 'sandbox' > \"$root/etc/hostname\"\n"
    "printf '127.0.0.1\\tlocalhost\\n::1\\tlocalhost ip6-localhost ip6-loopback\\n' > \"$root/etc/hosts\"\n"
    ": > \"$root/etc/machine-id\"\n"
    "chmod 0644 \"$root/etc/hostname\" \"$root/etc/hosts\"\n"
    "# Matplotlib builds its list of fonts at the first import: half a second that every sandbox would pay.\n"
    "chroot --userspec=user:user \"$root\" env -i HOME=/home/user PATH=/usr/bin:/bin MPLBACKEND=Agg \\\n"
    "    python3 -c 'import matplotlib.font_manager'\n"
    "# The profile of login shells, which commands of the E2B SDKs run in, starts two programs; bash knows both answers.\n"
    "sed -i -e 's/\"\\$(id -u)\"/\"${EUID:-$(id -u)}\"/' -e 's/\\$(run-parts --list[^)]*)/\\/etc\\/profile.d\\/*.sh/' \\\n"
    "    \"$root/etc/profile\"\n"
    "grep -qF '${EUID:-$(id -u)}' \"$root/etc/profile\"\n"
    "grep -qF 'in /etc/profile.d/*.sh;' \"$root/etc/profile\"\n"
    "rm -f \"$root/etc/resolv.conf\"\n"
    "echo '# Name servers: Warren decides.' > \"$root/etc/resolv.conf\"\n";

const struct wr_base_empty_dir wr_base_empty_dirs[] = {
    {"dev", 0755},     {"proc", 0555},          {"sys", 0555},
    {"run", 0755},     {"tmp", 01777},          {"var/tmp", 01777},
    {"var/log", 0755}, {"var/cache/apt", 0755}, {"var/lib/apt/lists", 0755},
};
const size_t wr_base_empty_dir_count = WR_ARRAY_SIZE(wr_base_empty_dirs);

static int append_list(struct wr_buf *out, const char *title, const char *const *list)
{
    int rc = wr_buf_printf(out, "[%s]\n", title);
    for (; rc == 0 && *list; list++)
        rc = wr_buf_printf(out, "%s\n", *list);
    return rc;
}

int wr_base_definition(struct wr_buf *out)
{
    int rc = wr_buf_printf(out, "warren base template %d\nsuite %s\n", DEFINITION_VERSION,
                           WR_BASE_SUITE);
    if (rc == 0)
        rc = append_list(out, "sources", wr_base_sources);
    if (rc == 0)
        rc = append_list(out, "options", wr_base_tool_opts);
    if (rc == 0)
        rc = append_list(out, "packages", wr_base_packages);
    for (size_t i = 0; rc == 0 && i < wr_base_empty_dir_count; i++)
        rc = wr_buf_printf(out, "empty %s %o\n", wr_base_empty_dirs[i].path,
                           wr_base_empty_dirs[i].mode);
    if (rc == 0)
        rc = wr_buf_printf(out, "[fetch]\n%s[customize]\n%s", wr_base_fetch, wr_base_customize);
    return rc;
}
