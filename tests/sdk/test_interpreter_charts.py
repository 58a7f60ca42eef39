"""Figures: pictures and charts as the SDK's classes, for every type of chart."""

import base64

import pytest
from e2b_code_interpreter import charts


def figure(box, code):
    execution = box.run_code("import datetime\nimport numpy as np\nimport matplotlib.pyplot as plt\n" + code)
    assert execution.error is None, execution.error.traceback
    assert len(execution.results) == 1, [list(result.formats()) for result in execution.results]
    result = execution.results[0]
    assert base64.b64decode(result.png)[:8] == b"\x89PNG\r\n\x1a\n"
    return result


def test_line(box):
    chart = figure(box, """
dates = [datetime.date(2023, 9, 1) + datetime.timedelta(seconds=i * 3600) for i in range(100)]
dates = [datetime.datetime(2023, 9, 1) + datetime.timedelta(hours=i) for i in range(100)]
x = np.linspace(0, 6, 100)
plt.plot(dates, np.sin(x), label='sin')
plt.plot(dates, np.cos(x), label='cos')
plt.title('Waves'); plt.xlabel('Time (s)'); plt.ylabel('Height (Hz)'); plt.legend()
plt.show()""").chart
    assert isinstance(chart, charts.LineChart) and chart.title == "Waves"
    assert (chart.x_label, chart.x_unit, chart.y_label, chart.y_unit) == ("Time (s)", "s", "Height (Hz)", "Hz")
    assert chart.x_scale == charts.ScaleType.DATETIME and chart.y_scale == charts.ScaleType.LINEAR
    assert all(isinstance(tick, str) for tick in chart.x_ticks) and all(isinstance(tick, float) for tick in chart.y_ticks)
    assert [line.label for line in chart.elements] == ["sin", "cos"]
    assert [len(line.points) for line in chart.elements] == [100, 100]
    assert chart.elements[0].points[0][0].startswith("2023-09-01")


def test_scatter(box):
    chart = figure(box, """
plt.scatter([1, 2, 3, 4, 5], [1, 4, 9, 16, 25], label='A')
plt.scatter(range(10), range(10), label='B')
plt.xlabel('A'); plt.ylabel('B')
plt.show()""").chart
    assert isinstance(chart, charts.ScatterChart) and chart.title is None
    assert [(group.label, len(group.points)) for group in chart.elements] == [("A", 5), ("B", 10)]
    assert all(isinstance(x, (int, float)) for x, _ in chart.elements[0].points)


def test_bar(box):
    chart = figure(box, """
plt.bar(['Author A', 'Author B', 'Author C', 'Author D'], [100, 200, 300, 400], label='Books Sold')
plt.xlabel('Authors'); plt.ylabel('Books'); plt.title('Sales')
plt.show()""").chart
    assert isinstance(chart, charts.BarChart) and (chart.x_unit, chart.y_unit) == (None, None)
    assert [bar.value for bar in chart.elements] == [100, 200, 300, 400]
    assert [bar.label for bar in chart.elements] == ["Author A", "Author B", "Author C", "Author D"]
    assert {bar.group for bar in chart.elements} == {"Books Sold"}


def test_pie(box):
    chart = figure(box, """
plt.pie([90, 10], labels=['No', 'Yes'])
plt.title('Will I wake up early?')
plt.show()""").chart
    assert isinstance(chart, charts.PieChart)
    assert [(slice.label, slice.angle, slice.radius) for slice in chart.elements] == [("No", 324, 1), ("Yes", 36, 1)]


def test_box_and_whisker(box):
    chart = figure(box, """
plt.boxplot([[85, 90, 78, 92, 88], [95, 89, 76, 91, 84, 87], [75, 82, 88, 91, 79, 92]],
            labels=['Class A', 'Class B', 'Class C'], patch_artist=True)
plt.title('Scores'); plt.ylabel('Score')
plt.show()""").chart
    assert isinstance(chart, charts.BoxAndWhiskerChart)
    assert [one.label for one in chart.elements] == ["Class A", "Class B", "Class C"]
    for one in chart.elements:
        assert one.min <= one.first_quartile <= one.median <= one.third_quartile <= one.max
    assert chart.elements[0].median == 88


def test_superchart(box):
    chart = figure(box, """
f, (a, b) = plt.subplots(1, 2)
a.plot(np.linspace(0, 1, 100), np.sin(np.linspace(0, 1, 100)))
a.set_title('Left')
b.scatter([1, 2, 3, 4, 5], [5, 4, 3, 2, 1])
f.suptitle('Both')
plt.show()""").chart
    assert isinstance(chart, charts.SuperChart) and chart.title == "Both"
    assert [type(one) for one in chart.elements] == [charts.LineChart, charts.ScatterChart]
    assert len(chart.elements[0].elements[0].points) == 100 and len(chart.elements[1].elements[0].points) == 5


def test_log_scale(box):
    chart = figure(box, """
x = np.linspace(0.1, 10, 100)
plt.plot(x, np.exp(x)); plt.yscale('log'); plt.ylabel('y (log scale)')
plt.show()""").chart
    assert chart.y_scale == charts.ScaleType.LOG and chart.y_unit == "log scale" and len(chart.elements[0].points) == 100


def test_categories(box):
    chart = figure(box, "plt.scatter([1, 2], ['low', 'high'])\nplt.show()").chart
    assert chart.y_scale == charts.ScaleType.CATEGORICAL and chart.y_tick_labels == ["low", "high"]


def test_unknown_chart(box):
    chart = figure(box, """
f, a = plt.subplots()
a.imshow([[1, 2], [3, 4]]); a.plot([0, 1]); a.scatter([0], [1]); a.set_title('Mixed')
plt.show()""").chart
    assert chart.type == charts.ChartType.UNKNOWN and chart.title == "Mixed" and chart.elements == []


def test_figure_has_a_text_and_no_extra(box):
    result = figure(box, "x = np.linspace(0, 1)\nplt.plot(x, np.sin(x))\nplt.show()")
    assert result.text == "<Figure size 640x480 with 1 Axes>" and result.extra == {} and not result.is_main_result


def test_figure_without_show_and_a_value(box):
    execution = box.run_code("import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nx = 5\nx")
    assert execution.text == "5" and len(execution.results) == 2
    assert [bool(result.png) for result in sorted(execution.results, key=lambda result: result.is_main_result)] == [True, False]


def test_figures_do_not_come_again(box):
    figure(box, "plt.plot([1, 2])\nplt.show()")
    assert box.run_code("1").results[0].png is None


@pytest.mark.parametrize("code", [
    "image.show()", "image", "image.save('test.png')"])
def test_images(box, code):
    execution = box.run_code(f"from PIL import Image\nimage = Image.new('RGB', (8, 8), 'red')\n{code}")
    assert execution.error is None and base64.b64decode(execution.results[0].png)[:4] == b"\x89PNG"


def test_chart_as_json(box):
    execution = box.run_code("import matplotlib.pyplot as plt\nplt.scatter([1], [2])\nplt.show()")
    assert '"scatter"' in execution.to_json()
