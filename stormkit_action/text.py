"""Foreign text made fit to print: one line, no control characters, no secrets, a limit."""

import re
from collections.abc import Iterable
from typing import Any

# Shorter values are neither masked nor redacted: they would blacken ordinary words.
MIN_SECRET_CHARACTERS = 6

MINUTE_S = 60
HOUR_S = 3600
MAX_DURATION_S = 1000 * HOUR_S - MINUTE_S

# C0 and C1 controls, without tab and line feed.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_CONTROL_BUT_ESCAPE = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f]")
# Bidirectional controls and other invisible format characters make text read as what it is not. Lone surrogates,
# which JSON may hold, go with them: they can't be encoded as UTF-8.
_INVISIBLE = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]"
)
# An unterminated operating system command (`ESC ]`) ends with its line, or it would hide the rest of a log.
_CODE = "(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b\n\r]*(?:\x07|\x1b\\\\)?|[@-Z\\\\-_])?"
_TERMINAL_CODE = re.compile(f"\x1b{_CODE}")
_TERMINAL_CODE_BUT_COLOUR = re.compile(f"\x1b(?!\\[[0-9;:]*m){_CODE}")


def strip_controls(text: str, *, keep_colours: bool = False) -> str:
    """`text` without terminal codes, control and invisible characters; line ends become line feeds."""
    if "\x1b" in text:
        text = (_TERMINAL_CODE_BUT_COLOUR if keep_colours else _TERMINAL_CODE).sub("", text)
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = (_CONTROL_BUT_ESCAPE if keep_colours else _CONTROL).sub("", text)
    return text if text.isascii() else _INVISIBLE.sub("", text)


def one_line(text: str, limit: int = 200) -> str:
    """`text` as one plain line of at most `limit` characters."""
    # A message can be megabytes: cut it before anything walks over every character.
    line = " ".join(strip_controls(text[: 20 * limit + 1000]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def tail(text: str, *, lines: int, characters: int) -> str:
    """The end of `text`: at most `lines` lines and `characters` characters, trailing blank lines dropped."""
    # A log can be megabytes: cut it before anything walks over every character.
    kept = strip_controls(text.rstrip()[-4 * characters :]).rstrip().split("\n")[-lines:]
    return "\n".join(kept)[-characters:]


def encodable(text: str) -> str:
    """`text` with `?` for lone surrogates, which JSON may hold and UTF-8 can't encode."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def redact(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by `***`.

    A secret that is interrupted by control or invisible characters would read whole once they are stripped; `text` is
    stripped of them then.
    """
    known = [secret for secret in secrets if len(secret) >= MIN_SECRET_CHARACTERS]
    for secret in known:
        text = text.replace(secret, "***")
    plain = strip_controls(text) if known else text
    if plain == text or not any(secret in plain for secret in known):
        return text
    for secret in known:
        plain = plain.replace(secret, "***")
    return plain


def redact_json(value: Any, secrets: tuple[str, ...]) -> Any:
    """A JSON value with every string redacted and encodable."""
    if isinstance(value, str):
        return redact(encodable(value), secrets)
    if isinstance(value, list):
        return [redact_json(entry, secrets) for entry in value]
    if isinstance(value, dict):
        return {redact_json(key, secrets): redact_json(entry, secrets) for key, entry in value.items()}
    return value


def duration(seconds: float) -> str:
    """`seconds` for people: `42s`, `3m 05s`, `1h 02m`, at most `999h 59m`, as servers may send any number."""
    whole = max(0, round(min(seconds, MAX_DURATION_S)))
    minutes, rest = divmod(whole, MINUTE_S)
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


def site_prefix(name: str) -> str:
    """What the log's lines about one of several environments begin with; empty where there is only one."""
    return f"[{one_line(name, 40)}] " if name else ""
