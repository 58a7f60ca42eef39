#include "template/base_definition.h"

#define SUITE "trixie"

/* Of every process in a sandbox. */
#define ENV                  \
    "{\"LANG\":\"C.UTF-8\"," \
    "\"PATH\":\"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"}"

/* The default of the interpreter SDKs. */
static const char *const aliases[] = {"code-interpreter-v1", NULL};

static const char *const packages[] = {
    /* Python, and what the interpreter needs: e2b_charts, tables in HTML, plotly's show() */
    "python3", "python3-pip", "python3-venv", "python-is-python3", "ipython3", "python3-numpy",
    "python3-pandas", "python3-matplotlib", "python3-requests", "python3-pil", "python3-orjson",
    "python3-pydantic", "python3-jinja2", "python3-nbformat",
    /* tests of projects */
    "python3-pytest",
    /* numpy's linear algebra; the reference implementation is ten times slower */
    "libopenblas0-pthread",
    /* other languages and building */
    "nodejs", "build-essential", "git",
    /* what commands and SDK helpers call */
    "bash", "ca-certificates", "curl", "file", "iproute2", "iputils-ping", "jq", "less",
    "ncurses-bin", "netbase", "openssl", "procps", "ripgrep", "sqlite3", "sudo", "tzdata", "unzip",
    "wget", "xz-utils", "zip",
    /* resolves the sandbox's own host name, which sudo asks for, without a line in /etc/hosts */
    "libnss-myhostname", NULL};

static const char *const sources[] = {
    "deb http://deb.debian.org/debian " SUITE " main",
    "deb http://deb.debian.org/debian " SUITE "-updates main",
    "deb http://deb.debian.org/debian-security " SUITE "-security main",
    NULL,
};

static const char *const options[] = {
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

/* npm as its project publishes it, because the Debian package needs 340 others; what the
 * interpreter's runners load: acorn and swc for JavaScript and TypeScript, e2b_charts for charts.
 */
static const struct wr_download downloads[] = {
    {NULL,
     "3a7506f37e85c1ba1021baad79f0cd9724748131f321fc117c4dc3ba235ec01be7327584a41d15117c01945560aa9373220628fcc1e1dddd877a5fe9b336a900",
     "https://registry.npmjs.org/npm/-/npm-10.9.4.tgz"},
    {NULL,
     "a09940dd78919bb0b293aa850f6267f1a93d07b8d2cb4ab2d340033b7fbc7694f42d28c58a1418bf80b4d8b142498255dd0dfbc58c30472e66f88a48894cea5b",
     "https://registry.npmjs.org/acorn/-/acorn-8.19.0.tgz"},
    {NULL,
     "905aa1b529a635266a25720ad25f6b17ea0d83679f699a1e35b37fe2ac1b35359f311280a5cea7eeb2b1f36edbc3c2bee249aeee21f42d9d78e10253433ba51f",
     "https://registry.npmjs.org/@swc/core/-/core-1.16.22.tgz"},
    {"x86_64",
     "bbd85d7cd108de823f753449f889fc1b7d8481f169643bcca08e5e94811197afd77da23313d829bf85a89a129b9405c0d7e118c8b7c3092d441452909415d341",
     "https://registry.npmjs.org/@swc/core-linux-x64-gnu/-/core-linux-x64-gnu-1.16.22.tgz"},
    {"aarch64",
     "21cfaaacc995efc41d946f62ac9b9cff7ef14aa63bfb9645860e246986c5f3651091a11f5a0a864946d4ef96384e8db579a041d3b734e646d7993593aef3d444",
     "https://registry.npmjs.org/@swc/core-linux-arm64-gnu/-/core-linux-arm64-gnu-1.16.22.tgz"},
    {NULL, "c5a9ae62bd33a3cba0f7efd0fe10938f2909bf948e54029bb7b67c0fd8ca782c",
     "https://files.pythonhosted.org/packages/5d/dd/"
     "f821e80e1240d5125b3fb66f54c11fa7dc1f72da9584a9066b95fcd5049f/"
     "e2b_charts-1.0.0-py3-none-any.whl"},
    {0},
};

/* Python's test directories cannot be left out by dpkg: py3compile fails on files that are missing.
 * One file of them stays, because numpy.testing loads it. */
static const char customize[] =
    "set -eu\n"
    "root=$1\n"
    "# Files that no program in a sandbox needs: tests of Python packages, static libraries of the sanitizers and of OpenSSL.\n"
    "find \"$root/usr/lib/python3\" \"$root/usr/lib/python3.13\" -depth -type d -name tests ! -path '*/numpy/_core/tests' -exec rm -rf {} +\n"
    "find \"$root/usr/lib/python3/dist-packages/numpy/_core/tests\" '(' -type f ! -name '_natype*' -o -type d -empty ')' -delete\n"
    "rm -rf \"$root/usr/lib/python3.13/idlelib\" \"$root/usr/lib/python3.13/EXTERNALLY-MANAGED\"\n"
    "rm -f \"$root\"/usr/lib/gcc/*/*/lib?san.a \"$root\"/usr/lib/gcc/*/*/lib??san.a \"$root\"/usr/lib/*/libmvec.a\n"
    "for file in \"$root\"/fetch/*.tgz; do\n"
    "    name=$(tar -xzOf \"$file\" package/package.json | chroot \"$root\" jq -r .name)\n"
    "    mkdir -p \"$root/usr/local/lib/node_modules/$name\"\n"
    "    tar -xzf \"$file\" -C \"$root/usr/local/lib/node_modules/$name\" --strip-components=1 --no-same-owner \\\n"
    "        --exclude=package/docs --exclude=package/man\n"
    "done\n"
    "ln -s ../lib/node_modules/npm/bin/npm-cli.js \"$root/usr/local/bin/npm\"\n"
    "ln -s ../lib/node_modules/npm/bin/npx-cli.js \"$root/usr/local/bin/npx\"\n"
    "# Debian's numpy and matplotlib are a little older than e2b_charts declares, and do.\n"
    "chroot \"$root\" sh -c 'python3 -m pip install --quiet --no-index --no-deps --no-cache-dir --root-user-action ignore /fetch/*.whl'\n"
    "rm -rf \"$root/fetch\"\n"
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

const struct wr_definition wr_base_definition = {
    .name = "base",
    .need_bytes = 2500 * WR_MIB,
    .env_json = ENV,
    .aliases = aliases,
    .suite = SUITE,
    .sources = sources,
    .options = options,
    .packages = packages,
    .downloads = downloads,
    .customize = customize,
};
