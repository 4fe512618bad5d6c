"""Foreign text made fit to print: one line, no control characters, no secrets, a limit."""

import re
from collections.abc import Iterable
from typing import Any

# Shorter values are not masked or redacted: they would blacken ordinary words.
SHORTEST_SECRET = 6

# C0 and C1 controls without tab and line feed.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Bidirectional controls and other invisible format characters: they make text read as what it is not. Lone
# surrogates, which JSON may hold, go with them: no file and no request could be written with one.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
_ANSI = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|[@-Z\\\\-_])")


def strip_controls(text: str) -> str:
    """`text` without terminal codes, control and invisible characters; line ends become line feeds."""
    lines = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub("", _CONTROL.sub("", lines))


def one_line(text: str, limit: int = 200) -> str:
    """`text` as one plain line of at most `limit` characters."""
    # A message can be megabytes: cut it before anything walks over every character.
    line = " ".join(strip_controls(text[: 20 * limit + 1000]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tail(text: str, *, lines: int, characters: int) -> str:
    """The end of `text`: at most `lines` lines and `characters` characters, trailing blank lines dropped."""
    # A log can be megabytes: cut it before anything walks over every character.
    kept = strip_controls(text[-4 * characters :]).rstrip().split("\n")[-lines:]
    return "\n".join(kept)[-characters:]


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by `***`."""
    for secret in secrets:
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text


def redact_json(value: Any, secrets: tuple[str, ...]) -> Any:
    """A JSON value with every string redacted and free of lone surrogates, which no file could be written with."""
    if isinstance(value, str):
        clean = value if value.isascii() else value.encode("utf-8", "replace").decode()
        return redact(clean, secrets)
    if isinstance(value, list):
        return [redact_json(entry, secrets) for entry in value]
    if isinstance(value, dict):
        return {redact_json(key, secrets): redact_json(entry, secrets) for key, entry in value.items()}
    return value


def duration(seconds: float) -> str:
    """`seconds` for people: `42s`, `3m 05s`, `1h 02m`. Servers may send any number: `999h 59m` is the most."""
    whole = max(0, round(min(seconds, 3_599_940)))
    minutes, rest = divmod(whole, 60)
    if minutes < 1:
        return f"{rest}s"
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m"


def size(count: int) -> str:
    """`count` bytes for people: `999 bytes`, `205 kB`, `1.2 MB`."""
    if count < 1000:
        return f"{count} byte{'' if count == 1 else 's'}"
    if count < 999_500:
        return f"{round(count / 1000)} kB"
    if count < 999_950_000:
        return f"{count / 1e6:.1f} MB"
    return f"{count / 1e9:.1f} GB"
