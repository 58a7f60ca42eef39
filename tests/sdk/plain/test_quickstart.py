"""The README's quickstart works as it stands there, in an environment that holds nothing but the package."""

import pathlib
import re
import subprocess

import releases

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]


def quickstart():
    """The first block of Python below the heading."""
    text = (REPOSITORY / "README.md").read_text()
    match = re.search(r"^#+ Quickstart\b.*?^```python\n(.*?)^```", text, re.M | re.S)
    assert match, "README.md has no ```python block below a heading \"Quickstart\""
    return match.group(1)


def test_quickstart(plain, packages, tmp_path):
    lines = [line for line in quickstart().splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) == 3, f"three lines after `warren serve`, not {len(lines)}"
    script = tmp_path / "quickstart.py"
    script.write_text(quickstart())
    done = subprocess.run([packages / releases.newest_python() / "bin/python", script], capture_output=True, text=True, timeout=60, cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **plain.settings(plain.key)})
    assert done.returncode == 0 and done.stdout.strip(), f"{done.stdout}\n{done.stderr}"


def test_volumes_guide(plain, packages, tmp_path):
    text = (REPOSITORY / "docs/guides/volumes.md").read_text()
    script = tmp_path / "volumes.py"
    script.write_text(re.search(r"^```python\n(.*?)^```", text, re.M | re.S).group(1))
    done = subprocess.run([packages / releases.newest_python() / "bin/python", script], capture_output=True, text=True, timeout=60, cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **plain.settings(plain.key)})
    assert done.returncode == 0 and "3\n2\n1" in done.stdout and "/sorted.txt" in done.stdout, f"{done.stdout}\n{done.stderr}"
