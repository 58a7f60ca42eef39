#include "template/full_definition.h"

#include "template/base_definition.h"

static const char *const packages[] = {
    /* other languages of the interpreter */
    "r-base-core", "openjdk-21-jdk-headless",
    /* Python; scipy and sympy are in the base template */
    "python3-aiohttp", "python3-bs4", "python3-docx", "python3-httpx", "python3-imageio",
    "python3-joblib", "python3-msgpack", "python3-nltk", "python3-openpyxl", "python3-pooch",
    "python3-pytest", "python3-rich", "python3-scipy", "python3-seaborn", "python3-simplejson",
    "python3-skimage", "python3-sklearn", "python3-soundfile", "python3-sympy", "python3-tornado",
    "python3-typer", "python3-tz", "python3-urllib3", "python3-wrapt", "python3-xarray",
    "python3-xlrd", "python3-yaml",
    /* letters of Chinese, Japanese and Korean in plots */
    "fonts-noto-cjk", NULL};

static const char customize[] =
    "set -eu\n"
    "root=$1\n"
    "# --ignore-installed: newer than Debian's click, which cannot be removed in favour of it.\n"
    "chroot \"$root\" sh -c 'python3 -m pip install --quiet --no-index --no-deps --ignore-installed --no-cache-dir \\\n"
    "    --root-user-action ignore /fetch/*.whl'\n"
    "rm -rf \"$root/fetch\"\n"
    "# As in the base template: tests; and what only jlink reads.\n"
    "find \"$root/usr/lib/python3\" \"$root/usr/local/lib/python3.13\" -depth -type d -name tests ! -path '*/numpy/_core/tests' \\\n"
    "    -exec rm -rf {} +\n"
    "rm -rf \"$root\"/usr/lib/jvm/*/jmods\n"
    "# Updates of Python bring back what the base template has not.\n"
    "rm -rf \"$root/usr/lib/python3.13/EXTERNALLY-MANAGED\" \"$root/usr/lib/python3.13/idlelib\"\n"
    "# Matplotlib's list of fonts again, with the new ones.\n"
    "rm -rf \"$root/home/user/.cache/matplotlib\"\n"
    "chroot --userspec=user:user \"$root\" env -i HOME=/home/user PATH=/usr/bin:/bin MPLBACKEND=Agg \\\n"
    "    python3 -c 'import matplotlib.font_manager'\n";

const struct wr_definition wr_full_definition = {
    .name = "code-interpreter-full",
    .below = &wr_base_definition,
    .need_bytes = 3000 * WR_MIB,
    .packages = packages,
    .downloads = wr_full_downloads,
    .customize = customize,
};
