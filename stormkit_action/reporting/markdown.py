"""GitHub markdown from foreign text. Pure. Nothing that comes in can mention, format, link or break out."""

import re

from stormkit_action.text import one_line, plain

ZERO_WIDTH = "\u200b"

# Characters that mean something in markdown or HTML, as entities: they read as themselves, also in a table's cell.
_ENTITIES = {ord(character): f"&#{ord(character)};" for character in "&<>\"'|`*_~[]()\\!$^"}
# Mentions, issue references and bare links are found after entities are decoded: only another character stops them.
_LINKED = re.compile(r"@|#(?=\w)|GH-(?=\d)|(?<=:)//|(?<=www)\.|(?<=[A-Za-z0-9])\.(?=[A-Za-z]{2,}/)", re.IGNORECASE)
# `owner/name@sha` and bare shas become links too.
_BARE_SHA = re.compile(r"\b(?=[0-9a-f]{7})([0-9a-f]{3})(?=[0-9a-f]{4,})")


def text(foreign: str, limit: int = 200) -> str:
    """`foreign` as one line of harmless text, at most `limit` characters before escaping."""
    line = _unlinked(one_line(foreign, limit))
    return line.translate(_ENTITIES)


def code(foreign: str, limit: int = 100) -> str:
    """`foreign` in code style, also inside a table."""
    return f"<code>{text(foreign, limit)}</code>"


def link(label: str, url: str) -> str:
    """A link with ready markdown `label`; the label alone without a URL. `url` has passed models.web_url."""
    if not url:
        return label
    safe = url.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return f'<a href="{safe}">{label}</a>'


def fence(foreign: str) -> str:
    """`foreign` as a block of preformatted text: its fence is longer than any run of backticks in it."""
    body = plain(foreign).replace("<!--", f"<{ZERO_WIDTH}!--")
    body = re.sub(r"@(?=\w)", f"@{ZERO_WIDTH}", body)
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{body}\n{ticks}"


def details(summary: str, body: str) -> str:
    """A folded block; `summary` is ready HTML, `body` ready markdown."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of ready cells."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _unlinked(line: str) -> str:
    line = _LINKED.sub(lambda match: match[0][:1] + ZERO_WIDTH + match[0][1:], line)
    return _BARE_SHA.sub(rf"\1{ZERO_WIDTH}", line)
