"""From a bundle of MIME types, as IPython makes it, to the line that the SDKs read."""

import base64
import datetime
import json
import math
import numbers

from .frames import MAX_PAYLOAD

FIELDS = {
    "text/plain": "text",
    "text/html": "html",
    "text/markdown": "markdown",
    "image/svg+xml": "svg",
    "image/png": "png",
    "image/jpeg": "jpeg",
    "application/pdf": "pdf",
    "text/latex": "latex",
    "application/json": "json",
    "application/javascript": "javascript",
    "e2b/data": "data",
    "e2b/chart": "chart",
}
# What a result that is too large loses first: the reader still has the text.
DISPENSABLE = ("data", "json", "html")


class ResultTooLarge(ValueError):
    """A displayed value is larger than a frame."""


def unquoted(text):
    """'abc' -> abc, as the SDKs' users expect of a string."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text


def scrub(text):
    """Without lone surrogates, which no JSON parser has to accept."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def clean(value):
    """The same in what JSON knows. NaN and infinity become strings, as Jupyter has them."""
    if isinstance(value, str):
        return scrub(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        number = float(value)
        return number if math.isfinite(number) else repr(number)
    if isinstance(value, dict):
        return {name if isinstance(name, str) else str(name): clean(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [clean(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return base64.b64encode(value).decode("ascii")
    return scrub(str(value))


def encode(value):
    """JSON of any value that a formatter returned."""
    try:
        text = json.dumps(value, separators=(",", ":"), allow_nan=False)
        if "\\ud" not in text:  # else there are surrogates, perhaps lone ones
            return text
    except (TypeError, ValueError):
        pass
    return json.dumps(clean(value), separators=(",", ":"), allow_nan=False)


def fields_of(bundle):
    """Bundle -> {name of the field: its JSON}, in the order of FIELDS."""
    made = {}
    extra = {}
    for mime, value in bundle.items():
        if value is None:
            continue
        if isinstance(value, (bytes, bytearray)):
            value = base64.b64encode(value).decode("ascii")
        if mime == "text/plain":
            value = unquoted(value) if isinstance(value, str) else str(value)
        if mime in FIELDS:
            made[FIELDS[mime]] = encode(value)
        else:
            extra[str(mime)] = value
    ordered = {name: made[name] for name in FIELDS.values() if name in made}
    ordered["extra"] = encode(extra)
    return ordered


def result_line(bundle, is_main_result):
    """The payload of a LINE frame."""
    fields = fields_of(bundle)
    fields["is_main_result"] = "true" if is_main_result else "false"
    for name in (*DISPENSABLE, None):
        size = 32 + sum(len(key) + len(text) + 4 for key, text in fields.items())
        if size <= MAX_PAYLOAD:
            break
        if name is None:
            raise ResultTooLarge(f"a displayed value has {size} bytes as JSON; at most {MAX_PAYLOAD} can be shown: show a part of it")
        fields.pop(name, None)
    body = "".join(f',"{key}":{text}' for key, text in fields.items())
    return f'{{"type":"result"{body}}}'.encode("ascii")


def error_line(name, value, traceback):
    """The payload of a LINE frame. Long texts keep their ends, where errors say what they are."""
    limit = MAX_PAYLOAD // 16
    texts = {"name": name, "value": value, "traceback": traceback}
    line = {"type": "error"}
    for key, text in texts.items():
        line[key] = scrub(text if len(text) <= limit else text[: limit // 2] + " ... " + text[-limit // 2 :])
    return json.dumps(line, separators=(",", ":")).encode("ascii")
