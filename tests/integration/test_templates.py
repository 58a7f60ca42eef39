"""Names of templates, and what the two that Warren makes have in them."""

import base64
import hashlib
import io
import json
import os
import pathlib
import zipfile

import pytest

import warren

ALIAS = "code-interpreter-v1"
FULL = "code-interpreter-full"
BASE_MODULES = ("IPython", "PIL", "e2b_charts", "jinja2", "matplotlib.pyplot", "nbformat", "numpy", "numpy.testing", "orjson",
                "pandas", "pip", "pydantic", "requests", "venv")
FULL_MODULES = ("aiohttp", "bokeh.plotting", "bs4", "cv2", "docx", "gensim", "imageio", "joblib", "kaleido", "librosa", "nltk",
                "numba", "openpyxl", "plotly.express", "pytest", "pytz", "scipy.optimize", "seaborn", "skimage.filters",
                "sklearn.linear_model", "soundfile", "spacy", "sympy", "textblob", "tornado", "urllib3", "xarray", "xlrd")
NODE_MODULES = ("acorn", "@swc/core", "npm")
# Each in a process of its own would cost seconds; one that takes others down with it is named anyway.
IMPORTS = """
import importlib, sys
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except BaseException as e:
        print(f"{name}: {e!r}")
"""


# ---- aliases ----


def test_alias_creates_from_base(server):
    base = server.request("GET", "/templates/aliases/base")["templateID"]
    with server.sandbox(template=ALIAS) as made:
        assert made.info["templateID"] == base
        assert made.info["alias"] == "base"
        assert made.check("printenv E2B_TEMPLATE_ID").strip() == base
        listed = server.request("GET", f"/v2/sandboxes?template={ALIAS}")
        assert made.id in {entry["sandboxID"] for entry in listed}


def test_alias_is_a_name_everywhere(server):
    alias = server.request("GET", f"/templates/aliases/{ALIAS}")
    assert alias == {"templateID": server.request("GET", "/templates/base")["templateID"], "public": True}
    listed = next(entry for entry in server.request("GET", "/templates") if entry["templateID"] == alias["templateID"])
    assert listed["names"] == listed["aliases"] == ["base", ALIAS]
    result = server.cli("create", "--template", ALIAS, "--json")
    assert result.code == 0, result
    made = warren.Sandbox(server, json.loads(result.out))
    assert made.info["alias"] == "base"
    made.kill()
    table = json.loads(server.cli("template", "ls", "--json").out)
    assert next(entry for entry in table if entry["name"] == "base")["aliases"] == [ALIAS]


def test_manifest_of_an_earlier_version(server):
    """It has no aliases; the template has them all the same."""
    path = pathlib.Path(server.data) / "templates" / "base.json"
    text = path.read_text()
    old = json.loads(text)
    old.pop("aliases", None)

    def replace(content):
        new = path.with_name(f".base.{os.getpid()}")
        new.write_text(content)
        new.rename(path)

    replace(json.dumps(old))
    try:
        with server.sandbox(template=ALIAS) as made:
            assert made.info["alias"] == "base"
    finally:
        replace(text)


def test_alias_cannot_become_a_name(server, tmp_path):
    (tmp_path / "bin").mkdir()
    result = server.cli("template", "make-base", "--quiet", "--name", ALIAS, "--from", str(tmp_path))
    assert result.code != 0 and f'"{ALIAS}" is an alias of template base' in result.err, result
    assert not (pathlib.Path(server.data) / "templates" / f"{ALIAS}.json").exists()


def test_unknown_names_of_definitions(server):
    result = server.cli("template", "make", "bass")
    assert result.code != 0 and '"bass" is not one of base, code-interpreter-full' in result.err, result
    result = server.cli("template", "make", "base", "--from", "/etc")
    assert result.code != 0 and "make-base" in result.err, result


# ---- contents ----


def test_modules_of_base(sandbox):
    result = sandbox.run(["/usr/bin/python3", "-W", "error::ImportWarning", "-c", IMPORTS, *BASE_MODULES])
    assert result == (0, "", "")


def test_modules_of_node(sandbox):
    program = "process.argv.slice(1).forEach(name => require('/usr/local/lib/node_modules/' + name + '/package.json'))"
    assert sandbox.run(["/usr/bin/node", "-e", program, *NODE_MODULES]) == (0, "", "")
    transpile = ("console.log(require('/usr/local/lib/node_modules/@swc/core').transformSync('let x: number = 1', "
                 "{jsc: {parser: {syntax: 'typescript'}, target: 'es2022'}}).code.trim())")
    assert sandbox.run(["/usr/bin/node", "-e", transpile]) == (0, "let x = 1;\n", "")


def test_place_and_language(sandbox):
    assert sandbox.check("printenv LANG HOME").split() == ["C.UTF-8", "/home/user"]
    assert sandbox.check("TZ=Asia/Tokyo date -d @0 +%H") == "09\n"
    code = "import locale; locale.setlocale(locale.LC_ALL, ''); print(locale.getlocale()[1], 'ä'.encode())"
    assert sandbox.python(code).out == "UTF-8 b'\\xc3\\xa4'\n"


def test_list_of_fonts_is_there(sandbox):
    code = ("import glob, os; before = glob.glob('/home/user/.cache/matplotlib/fontlist*'); assert before; "
            "times = [os.stat(name).st_mtime_ns for name in before]; import matplotlib.font_manager; "
            "print(times == [os.stat(name).st_mtime_ns for name in before])")
    assert sandbox.python(code) == (0, "True\n", "")


def wheel(name, text):
    """A wheel of pure Python with one module and one command."""
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": text,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name} = {name}:main\n",
    }
    record = ""
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(content)}\n"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
    return packed.getvalue()


@pytest.mark.parametrize("how", ["user", "root", "venv"])
def test_pip_install(fresh, how):
    """No word of a managed environment, and what was installed is there for the next process."""
    made = fresh()
    path = "/tmp/treasure-1.0-py3-none-any.whl"
    made.put(path, wheel("treasure", "def main():\n    print('found')\n"), "user")
    python = {"user": "python3", "root": "sudo python3", "venv": "/tmp/own/bin/python"}[how]
    if how == "venv":
        made.check("python3 -m venv --system-site-packages /tmp/own")
    result = made.run(f"{python} -m pip install --no-index {path}", timeout=120)
    assert result.code == 0 and "Successfully installed treasure-1.0" in result.out, result
    assert "externally-managed" not in result.err + result.out
    assert made.check(f"{python} -c 'import treasure; treasure.main()'") == "found\n"
    if how != "venv":
        assert made.check("bash -lc treasure") == "found\n"
        made.check(f"{python} -m pip uninstall -y treasure")
        assert made.run(f"{python} -c 'import treasure'").code == 1


def test_pip_replaces_what_debian_installed(fresh):
    """A newer version goes beside the one that the user cannot remove."""
    made = fresh()
    path = "/tmp/jinja2-1.0-py3-none-any.whl"
    made.put(path, wheel("jinja2", "def main():\n    print('own')\n"), "user")
    result = made.run(f"pip install --no-index --force-reinstall {path}", timeout=120)
    assert result.code == 0, result
    assert made.check("python3 -c 'import jinja2; jinja2.main()'") == "own\n"


# ---- the large template ----


@pytest.fixture(scope="module")
def full(server):
    manifest = pathlib.Path(server.data) / "templates" / f"{FULL}.json"
    if not manifest.exists():
        pytest.fail(f"there is no template {FULL}: `warren template make {FULL}` makes it")
    with server.sandbox(template=FULL, memoryBytes=2 << 30) as made:
        yield made


def test_full_is_a_layer_on_base(server, full):
    templates = pathlib.Path(server.data) / "templates"
    layers = {name: json.loads((templates / f"{name}.json").read_text())["layers"] for name in ("base", FULL)}
    assert layers[FULL][:1] == layers["base"]
    assert len(layers[FULL]) == 2
    assert full.info["alias"] == FULL


def test_modules_of_full(full):
    result = full.run(["/usr/bin/python3", "-W", "ignore", "-c", IMPORTS, *BASE_MODULES, *FULL_MODULES], timeout=300)
    assert (result.code, result.out) == (0, ""), result


def test_libraries_of_full_work(full):
    """Those that load compiled code of their own."""
    code = """
import cv2, numba, numpy, scipy.optimize, skimage.filters, sklearn.linear_model, spacy, sympy
print(numba.njit(lambda x: x + 1)(41))
print(cv2.cvtColor(numpy.zeros((2, 2, 3), numpy.uint8), cv2.COLOR_BGR2GRAY).shape)
print(round(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2), 6))
print(sklearn.linear_model.LinearRegression().fit([[0], [1]], [1, 3]).predict([[2]]).round(3).tolist())
print([token.text for token in spacy.blank("en")("a b")])
print(sympy.integrate(sympy.Symbol("x")))
print(skimage.filters.gaussian(numpy.ones((3, 3))).sum().round())
"""
    result = full.python(code, timeout=300)
    assert result.out.splitlines() == ["42", "(2, 2)", "1.414214", "[5.0]", "['a', 'b']", "x**2/2", "9.0"], result


def test_letters_of_east_asia_in_plots(full):
    code = ("from matplotlib import font_manager as f; "
            "print(any('CJK' in font.name for font in f.fontManager.ttflist))")
    assert full.python(code).out == "True\n"


def test_r(full):
    assert full.check("Rscript -e 'cat(sum(1:10))'") == "55"
    assert full.check("""Rscript -e 'png("/tmp/p.png", type = "cairo"); plot(1:3); invisible(dev.off())' && head -c 4 /tmp/p.png |
        tail -c 3""") == "PNG"


def test_java(full):
    assert "42" in full.check("echo 'System.out.println(6 * 7)' | jshell -s -", timeout=120)
    full.put("/tmp/Main.java", b'class Main { public static void main(String[] a) { System.out.println("ok"); } }', "user")
    assert full.check("java /tmp/Main.java", timeout=120) == "ok\n"
