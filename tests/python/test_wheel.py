"""The wheel: installed in an environment that has nothing else, it runs the README's example and its own command line."""

import os
import re
import subprocess
import sys
import zipfile

import libwarren
import pytest
from conftest import BUILD, PACKAGE, REPOSITORY
from pages import blocks

SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# The C library, and what manylinux takes for granted beside it.
SYSTEM = re.compile(r"^(?:lib(?:c|m|dl|rt|pthread|resolv|util|gcc_s|z|stdc\+\+)\.so\.\d+|ld-linux.*|linux-vdso.*)$")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    output = tmp_path_factory.mktemp("dist")
    done = subprocess.run([REPOSITORY / "tools/build-wheel", "--build", BUILD, output], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    made = list(output.iterdir())
    assert [str(path) for path in made] == done.stdout.split()
    return made[0]


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment of its own; the tree, its build directory and WARREN_LIBRARY are out of sight."""
    directory = tmp_path_factory.mktemp("installed")
    tools = subprocess.run([REPOSITORY / "tools/build-wheel", "--tools"], capture_output=True, text=True, check=True, timeout=300).stdout.strip()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", directory], check=True, timeout=120)
    subprocess.run([f"{tools}/bin/python", "-m", "pip", "-q", "--python", directory / "bin/python", "install", "--no-index", "--no-deps",
                    "--no-compile", "--disable-pip-version-check", wheel], check=True, timeout=120)
    return directory


def clean(**variables):
    return {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/root"), **variables}


def test_name_and_content(wheel):
    assert re.fullmatch(r"warren-\d+\.\d+\.\d+-py3-none-manylinux_2_\d+_\w+\.whl", wheel.name)
    names = zipfile.ZipFile(wheel).namelist()
    modules = {path.relative_to(PACKAGE / "src").as_posix() for path in (PACKAGE / "src/warren").rglob("*.py")}
    assert modules <= set(names) and {"warren/py.typed", "warren/lib/libwarren.so.0", "warren/lib/warren"} <= set(names)
    assert not [name for name in names if "__pycache__" in name or name.endswith((".c", ".h"))]


def test_it_needs_nothing_of_the_machine(wheel, tmp_path):
    """Every library that something in it needs is in it too, or the C library's."""
    zipfile.ZipFile(wheel).extractall(tmp_path)
    binaries = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
    inside = {path.name for path in binaries}
    assert len(binaries) > 2
    for path in binaries:
        listed = subprocess.run(["readelf", "-d", path], capture_output=True, text=True, check=True).stdout
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", listed)
        assert not [name for name in needed if name not in inside and not SYSTEM.match(name)], (path.name, needed)


def test_the_example(installed, endpoint, tmp_path):
    """What the README shows, with what it prints."""
    found = blocks(REPOSITORY / "README.md")
    (_, _, code), (_, _, expected) = next((one, after) for one, after in zip(found, found[1:])
                                          if one[0] == "python" and any("warren.primitives" in line for line in one[2]))
    program = tmp_path / "example.py"
    program.write_text("\n".join(code))
    done = subprocess.run([installed / "bin/python", program], capture_output=True, text=True, timeout=60, cwd=tmp_path,
                          env=clean(**{name: value for name, value in endpoint.items() if name == "WARREN_SOCKET" or name.startswith("E2B_")}))
    assert done.returncode == 0 and done.stdout.splitlines() == expected, f"{done.stdout}\n{done.stderr}"


def test_the_library_is_the_one_inside(installed):
    code = "import warren._ffi as ffi; print(ffi.lib._name); import warren; print(warren.__version__)"
    done = subprocess.run([installed / "bin/python", "-c", code], capture_output=True, text=True, check=True, env=clean(), cwd="/")
    library, version = done.stdout.splitlines()
    assert library.startswith(str(installed.resolve())) and re.fullmatch(r"\d+\.\d+\.\d+", version)


def test_the_command_line(installed, endpoint):
    """The program inside, by both names. It is what a private server is started from."""
    version = subprocess.run([installed / "bin/python", "-c", "import warren; print(warren.__version__)"], capture_output=True, text=True,
                             check=True, env=clean(), cwd="/").stdout.strip()
    for command in ([installed / "bin/warren"], [installed / "bin/python", "-m", "warren"]):
        done = subprocess.run([*command, "version"], capture_output=True, text=True, timeout=20, env=clean(), cwd="/")
        assert done.returncode == 0 and version in done.stdout, done.stderr


def test_the_source_tree_has_no_program(tmp_path):
    done = subprocess.run([sys.executable, "-B", "-m", "warren", "version"], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(PACKAGE / "src")})
    assert done.returncode == 1 and "holds no program" in done.stderr


PRIVATE = """
import asyncio, warren
from warren.primitives import CodeExecutionPrimitive
client = warren.Client(backend="private", data_dir={data!r}, socket_path={socket!r})
print(client.backend, asyncio.run(CodeExecutionPrimitive(client=client).execute({{"code": "print(6 * 7)"}}))["logs"])
"""


def test_a_private_server(installed, request):
    """Started on demand from the program inside, on a copy of the data directory: the session's server has the original."""
    if request.config.getoption("--endpoint") != "warren":
        pytest.skip("needs the templates of a Warren of its own")
    with libwarren.private_warren() as (path, data):
        code = PRIVATE.format(data=data, socket=path)
        done = subprocess.run([installed / "bin/python", "-c", code], capture_output=True, text=True, timeout=60, cwd="/",
                              env=clean(WARREN_CONFIG="/dev/null"))
        assert done.returncode == 0 and done.stdout == "private 42\n\n", done.stderr
        assert os.readlink(f"/proc/{libwarren.server_of(path)}/exe") == str((installed / SITE / "warren/lib/warren").resolve())
