"""GitHub markdown from foreign text. Pure. Nothing that comes in can mention, format, link or break out."""

import re
from unicodedata import bidirectional

from stormkit_action.text import one_line, strip_controls

ZERO_WIDTH = "\u200b"
LEFT_TO_RIGHT = "\u200e"

# Characters that mean something in markdown or HTML, as entities: they read as themselves, also in a table's cell.
_ENTITIES = {ord(character): f"&#{ord(character)};" for character in "&<>\"'|`*_~[]()\\!^"}
# GitHub finds formulas after it has decoded entities. Its documented way around is a span.
_ENTITIES[ord("$")] = "<span>&#36;</span>"
# Mentions, issue references, bare links and emoji names are found after that too: only another character stops them.
# Of an emoji's name, the second colon may be the one that we write behind the text.
_LINKED = (
    r"(?i)@|#(?=\w)|GH-(?=\d)|(?<=:)//|w(?=ww\.)|(?<=[A-Za-z0-9])\.(?=[A-Za-z]{2,}/)"
    r"|:(?=(?:[\w+-]*[a-z][\w+-]*|[+-]1|100|1234)(?::|$))"
)
# Seven hex digits become a link to a commit, but not within a word of letters alone.
_SHA = re.compile(r"[0-9a-f]{6}(?=[0-9a-f])", re.IGNORECASE)
_HEX_WORD = re.compile(r"[0-9a-f]+", re.IGNORECASE)
# Addresses become links even in code. An element in between stops that, and what is copied stays as it was.
_ADDRESS = r"(?i)@|://|www\."
# GitHub finds no mention in code, but a reply by e-mail quotes code as plain text.
_MENTION = r"(?<!\w)@(?=\w)"


def text(foreign: str, limit: int = 200) -> str:
    """`foreign` as one line of harmless text, at most `limit` characters before escaping."""
    line = re.sub(_LINKED, lambda match: match[0][:1] + ZERO_WIDTH + match[0][1:], one_line(foreign, limit))
    line = re.sub(r"\w{7,}", lambda match: _unlinked(match[0]), line)
    return line.translate(_ENTITIES) + _direction_after(line)


def code(foreign: str, limit: int = 100) -> str:
    """`foreign` in code style, also inside a table, and fit to be copied; nothing where there is nothing to show."""
    line = one_line(foreign, limit)
    shown = re.sub(_ADDRESS, r"<span>\g<0></span>", _unmentioned(line).translate(_ENTITIES))
    return f"<code>{shown}</code>{_direction_after(line)}" if shown else ""


def link(label: str, url: str) -> str:
    """A link with ready markdown `label`; the label alone without a URL. `url` has passed fields.web_url."""
    if not url:
        return label
    safe = url.replace("&", "&amp;").replace('"', "%22").replace("<", "%3C").replace(">", "%3E").replace("|", "%7C")
    return f'<a href="{safe}">{label}</a>'


def fence(foreign: str) -> str:
    """`foreign` as a block of preformatted text: its fence is longer than any run of backticks in it."""
    body = _unmentioned(strip_controls(foreign)).replace("<!--", f"<{ZERO_WIDTH}!--")
    longest = max((len(run) for run in re.findall(r"`+", body)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}text\n{body}\n{ticks}"


def details(summary: str, body: str, *, unfolded: bool = False) -> str:
    """A block that folds; `summary` is ready HTML, `body` ready markdown."""
    return f"<details{' open' if unfolded else ''}>\n<summary>{summary}</summary>\n\n{body}\n\n</details>"


def table(head: list[str], rows: list[list[str]], *, numbers: bool = False) -> str:
    """A table of ready cells; with `numbers`, all columns but the first are aligned to the right."""
    rules = [":---", *(["---:" if numbers else ":---"] * (len(head) - 1))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *rows))


def _unlinked(word: str) -> str:
    """`word` in which GitHub finds no commit. One like "succeeded" is none anyway, and stays as it is."""
    is_plain = word.isalpha() and not _HEX_WORD.fullmatch(word)
    return word if is_plain else _SHA.sub(rf"\g<0>{ZERO_WIDTH}", word)


def _direction_after(line: str) -> str:
    """What keeps the numbers behind Hebrew or Arabic text in their order."""
    is_right_to_left = not line.isascii() and any(bidirectional(character) in ("R", "AL") for character in line)
    return LEFT_TO_RIGHT if is_right_to_left else ""


def _unmentioned(line: str) -> str:
    return re.sub(_MENTION, f"@{ZERO_WIDTH}", line)
