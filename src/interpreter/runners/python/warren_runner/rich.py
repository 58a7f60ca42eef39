"""What displayed values have beyond IPython's own formats: the data of tables, JSON of lists and dictionaries,
charts of figures; and PIL images that show themselves."""

import json
import sys
import warnings

from IPython.core.formatters import BaseFormatter, JSONFormatter
from traitlets import ObjectName, Unicode

from . import figures


class DataFormatter(BaseFormatter):
    format_type = Unicode("e2b/data")
    print_method = ObjectName("_repr_e2b_data_")
    _return_type = dict


class ChartFormatter(BaseFormatter):
    format_type = Unicode("e2b/chart")
    print_method = ObjectName("_repr_e2b_chart_")
    _return_type = dict

    def __call__(self, obj):
        # Not a registered printer: choosing figure formats (%matplotlib inline) removes those of all formatters.
        return figure_chart(obj) if figures.is_figure(obj) else super().__call__(obj)


def plain_json(value):
    """Through orjson, which knows numpy, dates and dataclasses, where the template has it."""
    try:
        import orjson
    except ImportError:
        return json.loads(json.dumps(value))
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS))


class ValueJSONFormatter(JSONFormatter):
    """Lists and dictionaries are shown as JSON too."""

    def __call__(self, obj):
        if isinstance(obj, (list, dict)):
            try:
                return plain_json(obj)
            except (TypeError, ValueError, RecursionError):
                pass
        return super().__call__(obj)


def frame_data(frame):
    """{column: [values]} of a pandas.DataFrame; dates as ISO strings, the index is dropped."""
    columns = frame.to_dict(orient="list")
    timestamp = sys.modules["pandas"].Timestamp
    return {
        name: [value.isoformat() if isinstance(value, timestamp) else value for value in values]
        for name, values in columns.items()
    }


def figure_chart(figure):
    """What e2b_charts reads from a matplotlib figure; {} if it cannot."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import e2b_charts

            return e2b_charts.chart_figure_to_dict(figure)
    except Exception:  # any figure must be shown, chart or not
        return {}


def register_formatters(shell):
    formatters = shell.display_formatter.formatters
    formatters["application/json"] = ValueJSONFormatter(parent=shell.display_formatter)
    data = formatters["e2b/data"] = DataFormatter(parent=shell.display_formatter)
    formatters["e2b/chart"] = ChartFormatter(parent=shell.display_formatter)
    # By name: the type is looked for when a value is displayed, and pandas is not imported for it.
    data.for_type_by_name("pandas.core.frame", "DataFrame", frame_data)


def hook_pillow():
    """image.show() displays instead of looking for a viewer; image.save(path) displays what it saves."""
    try:
        from IPython.display import display
        from PIL import Image, ImageShow
    except ImportError:
        return
    ImageShow._viewers[:] = [ImageShow.IPythonViewer()]
    save = Image.Image.save

    def save_and_display(self, fp, *args, **kwargs):
        if isinstance(fp, str):
            display(self)
        return save(self, fp, *args, **kwargs)

    save_and_display.__doc__ = save.__doc__
    save_and_display.__wrapped__ = save
    Image.Image.save = save_and_display
