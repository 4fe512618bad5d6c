"""Parsers of single input values. Each raises ValueError with what is accepted, as the end of a sentence."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from stormkit_action.text import one_line

E = TypeVar("E", bound=StrEnum)

# YAML 1.2 core schema.
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DURATION = re.compile(
    r"(?:(?P<h>\d{1,6}(?:\.\d{1,6})?)h)?(?:(?P<m>\d{1,6}(?:\.\d{1,6})?)m)?(?:(?P<s>\d{1,6}(?:\.\d{1,6})?)s?)?"
)
_ENVIRONMENT = re.compile(r"(?P<name>[^:\n]{1,100}?)\s*:\s*(?P<env_id>[A-Za-z0-9_-]{1,64})")
_DAY = 24 * 60 * 60


def shown(text: str) -> str:
    """A wrong value as an error shows it."""
    return one_line(text, 80)


def api_key(text: str) -> str:
    """An API key that an HTTP header can carry; a `Bearer ` prefix is dropped."""
    key = text.removeprefix("Bearer ").strip()
    if not key:
        raise ValueError(
            "it needs a Stormkit API key: save one as a repository secret and pass it as"
            " api-key: ${{ secrets.STORMKIT_API_KEY }}"
        )
    return token(key)


def token(text: str) -> str:
    """A token that an HTTP header can carry."""
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError(
            "a key is one word of plain ASCII letters, digits and punctuation, without blanks or line ends"
        )
    return text


def env_id(text: str) -> str:
    """A Stormkit environment id."""
    return _id(text, "it is an environment id such as 305, from the environment's dashboard address")


def deployment_id(text: str) -> str:
    """A Stormkit deployment id."""
    return _id(text, "it is a deployment id such as 8241, from the output deployment-id or the dashboard")


def _id(text: str, accepted: str) -> str:
    if text and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        raise ValueError(accepted)
    return text


def environments(text: str) -> list[tuple[str, str]]:
    """Pairs of name and environment id, one `name: env-id` a line."""
    pairs = []
    for line_text in filter(None, map(str.strip, text.splitlines())):
        match = _ENVIRONMENT.fullmatch(line_text)
        if match is None:
            raise ValueError(f'every line is "name: env-id", such as "docs: 305", and "{shown(line_text)}" is not')
        pairs.append((one_line(match["name"]), match["env_id"]))
    for position, kind in ((0, "name"), (1, "env-id")):
        values = [pair[position] for pair in pairs]
        if len(set(values)) < len(values):
            raise ValueError(f"every line has a {kind} of its own")
    return pairs


def one_of(kind: type[E]) -> Callable[[str], E]:
    """A parser for the values of an enumeration."""

    def parse(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"accepted are {', '.join(kind)}") from None

    return parse


def switch(kind: type[E]) -> Callable[[str], E]:
    """A parser for `auto` and booleans."""

    def parse(text: str) -> E:
        if text == "auto":
            return kind("auto")
        if text in _BOOLEANS:
            return kind("true" if _BOOLEANS[text] else "false")
        raise ValueError("accepted are auto, true and false")

    return parse


def boolean(text: str) -> bool:
    """A YAML 1.2 boolean."""
    if text not in _BOOLEANS:
        raise ValueError("accepted are true and false")
    return _BOOLEANS[text]


def duration(*, least: float = 1.0, most: float = 7 * _DAY) -> Callable[[str], timedelta]:
    """A parser for `90`, `90s`, `15m`, `1h30m`, within `least` and `most` seconds."""

    def parse(text: str) -> timedelta:
        match = _DURATION.fullmatch(text)
        if not text or match is None:
            raise ValueError("it is a duration such as 90, 90s, 15m or 1h30m")
        hours, minutes, seconds = (float(match[unit] or 0) for unit in "hms")
        total = timedelta(hours=hours, minutes=minutes, seconds=seconds)
        if not least <= total.total_seconds() <= most:
            raise ValueError(f"it is a duration from {least:g}s to {most / 3600:g}h")
        return total

    return parse


def whole_number(*, most: int) -> Callable[[str], int]:
    """A parser for 0 to `most`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > most:
            raise ValueError(f"it is a whole number from 0 to {most}")
        return int(text)

    return parse


def line(most: int) -> Callable[[str], str]:
    """A parser for one line of at most `most` characters."""

    def parse(text: str) -> str:
        if len(text) > most or one_line(text, most) != text:
            raise ValueError(f"it is one line of at most {most} characters, without control characters")
        return text

    return parse


def branch(text: str) -> str:
    """A branch name; `refs/heads/` in front is dropped. Git's own rules decide what is one."""
    name = text.removeprefix("refs/heads/")
    if name.startswith("refs/"):
        raise ValueError("it is the name of a branch, not another ref")
    if len(name) > 250 or name.startswith(("-", "/")) or name.endswith(("/", ".", ".lock")):
        raise ValueError("it is the name of a branch")
    if re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//", name):
        raise ValueError("it is the name of a branch, without blanks and the characters that Git refuses")
    return name


def sha(text: str) -> str:
    """A commit id, 7 to 64 hexadecimal digits."""
    if text and not re.fullmatch(r"[0-9A-Fa-f]{7,64}", text):
        raise ValueError("it is a commit id of 7 to 64 hexadecimal digits")
    return text.lower()


def comment_key(text: str) -> str:
    """What separates comments: it becomes part of a marker."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text) or "--" in text:
        raise ValueError("it is up to 64 letters, digits, dots, underscores and single hyphens")
    return text


def url_path(text: str) -> str:
    """A path on the preview URL; empty for none."""
    if not text:
        return ""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("it is a path such as / or /health, not a full URL: it is asked for on the preview URL")
    return text


def origin(text: str) -> str:
    """An origin: `https://host`, or `http://host` where the user spells that out."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    rest = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
    if parts.scheme not in ("http", "https") or not host or rest or not re.fullmatch(r"[A-Za-z0-9.:_-]+", host):
        raise ValueError("it is an origin such as https://stormkit.example.com, without a path")
    shown_host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown_host}{f':{port}' if port else ''}"


@dataclass(frozen=True, slots=True)
class StatusCodes:
    """Accepted HTTP status codes, as inclusive ranges."""

    ranges: tuple[tuple[int, int], ...]

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)


def status_codes(text: str) -> StatusCodes:
    """Codes and ranges such as `200`, `200-399` or `200,401`."""
    ranges = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-5][0-9]{2})\s*(?:-\s*([1-5][0-9]{2}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError("it is HTTP status codes such as 200, 200-399 or 200,401")
        ranges.append((int(match[1]), int(match[2] or match[1])))
    return StatusCodes(tuple(ranges))


def insecure(origin_url: str) -> bool:
    """Whether the key would cross a network unencrypted: plain http to anything but this machine."""
    parts = urlsplit(origin_url)
    return parts.scheme == "http" and not re.fullmatch(r"localhost|127(?:\.\d{1,3}){3}|::1", parts.hostname or "")
