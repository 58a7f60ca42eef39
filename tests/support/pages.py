"""Pages of the documentation: their fenced blocks, and output as they show it."""

import re

ID = r"\b(?=[a-z0-9]*\d)(?=[a-z0-9]*[a-z])[a-z0-9]{20}\b"
TIME = r"\b\d+(?:\.\d+)? (?=(?:us|ms|s)\b)"


def blocks(page):
    """(language, line number, lines) of each fenced block."""
    found, inside = [], None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if line.startswith("```"):
            if inside is None:
                inside = (line[3:].strip(), number, [])
            else:
                found.append(inside)
                inside = None
        elif inside is not None:
            inside[2].append(line)
    assert inside is None, f"{page}: the block of line {inside[1]} has no end"
    return found


def pattern(expected):
    """A regular expression for documented lines, and the ids that its groups stand for."""
    parts, ids = [], []
    for line in expected:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
            continue
        text = ""
        for piece in re.split(f"({ID}|{TIME})", line):
            if re.fullmatch(ID, piece):
                ids.append(piece)
                text += "([a-z0-9]{20})"
            elif re.fullmatch(r"\d+(?:\.\d+)? ", piece):
                text += r"\d+(?:\.\d+)? "
            else:
                text += re.escape(piece)
        parts.append(text + r"\n")
    return "".join(parts), ids
