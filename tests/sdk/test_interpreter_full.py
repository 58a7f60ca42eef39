"""The larger template: R, Java, and the libraries that the default one leaves out."""

import base64

import pytest

from test_interpreter import out, ran


@pytest.fixture(scope="module")
def full(interpreter):
    made = interpreter.Sandbox.create("code-interpreter-full", timeout=600)
    yield made
    made.kill()


def test_r(full):
    def r(code, **options):
        return full.run_code(code, language="r", timeout=60, **options)

    assert ran(r('print("Hello, World!")')).logs.stdout == ['[1] "Hello, World!"\n']
    assert ran(r("getwd()")).results[0].text == '[1] "/home/user"'
    ran(r("kept <- 41"))
    assert ran(r("kept + 1")).results[0].text == "[1] 42"
    assert "no_such" in r("no_such").error.value
    assert ran(r("kept")).results[0].text == "[1] 41"
    assert ran(r('Sys.getenv("FOO")', envs={"FOO": "bar"})).results[0].text == '[1] "bar"'
    assert ran(r('Sys.getenv("FOO")')).results[0].text == '[1] ""'
    picture = next(result.png for result in ran(r("plot(1:10)")).results if result.png)
    assert base64.b64decode(picture)[:4] == b"\x89PNG"


def test_java(full):
    def java(code, **options):
        return full.run_code(code, language="java", timeout=60, **options)

    assert ran(java('System.out.println("Hello, World!");')).logs.stdout[0] == "Hello, World!"
    assert ran(java('System.getProperty("user.dir")')).text == "/home/user"
    ran(java("int kept = 41;"))
    assert ran(java("kept + 1")).text == "42"
    ran(java("int twice(int x) { return 2 * x; }"))
    assert ran(java("twice(kept)")).text == "82"
    assert "IllegalState" in java('throw new IllegalStateException("no");').error.name
    assert java("int x = ;").error
    assert ran(java('System.getProperty("FOO")', envs={"FOO": "bar"})).text == "bar"
    assert ran(java("kept")).text == "41"


SAMPLES = {
    "seaborn": "import seaborn as sns, pandas as pd\nsns.lineplot(data=pd.DataFrame({'x': [1, 2, 3], 'y': [3, 1, 2]}), x='x', y='y', errorbar=None)\n"
               "import matplotlib.pyplot as plt\nplt.show()",
    "sklearn": "from sklearn.linear_model import LinearRegression\nLinearRegression().fit([[0], [1], [2]], [1, 3, 5]).predict([[3]]).round(3).tolist()",
    "scipy": "from scipy import optimize\nround(float(optimize.brentq(lambda x: x * x - 2, 0, 2)), 6)",
    "sympy": "from sympy import *\nx = symbols('x')\nintegrate(sin(x) ** 2, x)",
    "plotly": "import plotly.express as px\npx.bar(x=['a', 'b'], y=[1, 2]).show()",
    "openpyxl": "import pandas as pd\npd.DataFrame({'a': [1, 2]}).to_excel('/tmp/t.xlsx', index=False)\npd.read_excel('/tmp/t.xlsx')",
}


@pytest.fixture(params=SAMPLES)
def sample(request, full):
    return request.param, ran(full.run_code(SAMPLES[request.param], timeout=120))


def test_samples(sample):
    name, execution = sample
    result = execution.results[0]
    check = {
        "seaborn": lambda: result.chart.type.value == "line" and len(result.chart.elements[0].points) == 3,
        "sklearn": lambda: result.json == [7.0],
        "scipy": lambda: result.text == "1.414214",
        "sympy": lambda: "sin" in result.latex and "x/2" in result.text.replace(" ", ""),
        "plotly": lambda: "plotly" in (result.html or "") or "application/vnd.plotly.v1+json" in result.extra,
        "openpyxl": lambda: result.data == {"a": [1, 2]},
    }[name]
    assert check(), (name, list(result.formats()), result.text)


def test_the_default_languages_work_here_too(full):
    assert ran(full.run_code("1 + 1")).text == "2"
    assert out(ran(full.run_code("echo x", language="bash"))) == "x\n"
