"""The quickstart of the code interpreter's SDK, in an environment that holds nothing but the package."""

import pathlib
import re
import subprocess

import pytest

README = pathlib.Path(__file__).resolve().parents[3] / "README.md"
QUICKSTART = '''
import base64

from e2b_code_interpreter import Sandbox

with Sandbox.create() as sandbox:
    sandbox.run_code("x = 1")
    execution = sandbox.run_code("x += 1; x")
    assert execution.text == "2", execution

    execution = sandbox.run_code("""
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 20, 100)
y = np.sin(x)
plt.plot(x, y)
plt.title("A wave")
plt.show()
""")
    picture = base64.b64decode(execution.results[0].png)
    assert picture.startswith(b"\\x89PNG")
    chart = execution.results[0].chart
    assert chart.title == "A wave" and len(chart.elements[0].points) == 100
    print("quickstart works")
'''


def readme():
    """The README's block for this package, which has to print a number."""
    [block] = [block for block in re.findall(r"^```python\n(.*?)^```", README.read_text(), re.M | re.S) if "e2b_code_interpreter" in block]
    return block


@pytest.mark.parametrize("code,expected", [(QUICKSTART, "quickstart works\n"), (readme(), "6\n")], ids=["sdk", "readme"])
def test_quickstart_of_the_code_interpreter(plain, packages, tmp_path, code, expected):
    [environment] = packages.glob("interpreter-*")
    script = tmp_path / "quickstart.py"
    script.write_text(code)
    done = subprocess.run([environment / "bin/python", script], capture_output=True, text=True, timeout=120, cwd=tmp_path,
                          env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), **plain.settings(plain.key)})
    assert done.returncode == 0 and done.stdout == expected, f"{done.stdout}\n{done.stderr}"
