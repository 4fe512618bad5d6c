"""Parsers of single input values. Each raises ValueError with what is accepted, as the end of a sentence."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from stormkit_action.text import one_line, strip_controls

E = TypeVar("E", bound=StrEnum)

# YAML 1.2 core schema.
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_FIGURE = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
# A bare number is seconds, and stands alone: in "1h30" it would be taken for minutes.
_DURATION = re.compile(
    rf"(?:(?P<h>{_FIGURE})h)?(?:(?P<m>{_FIGURE})m)?(?:(?P<s>{_FIGURE})s)?|(?P<bare>{_FIGURE})",
)
# The id holds no colon, so the last one parts the two. A name may hold one too, but "docs: 305, web: 306" is no name.
_ENVIRONMENT = re.compile(r"(?P<name>[^:]{1,100}?|[^,]{1,100}?(?<!:))\s*:\s*(?P<env_id>[A-Za-z0-9_-]{1,64})")
_DAY = 24 * 60 * 60

# What no error shows, whichever input it was put into: Stormkit's keys, and a user and password in a URL.
_STORMKIT_KEY = re.compile(r"SK_[!-~]+")
_USERINFO = re.compile(r"(?<=//)\S*@")


def shown(text: str) -> str:
    """A wrong value as an error shows it."""
    clean = text.encode("utf-8", "replace").decode()
    return one_line(_USERINFO.sub("***@", _STORMKIT_KEY.sub("***", clean)), 80)


def bare_key(text: str) -> str:
    """An API key as it is given, without blanks around it and without the `Bearer` that some put before it."""
    return re.sub(r"\A\s*Bearer(?:\s+|\Z)", "", text, flags=re.IGNORECASE).strip()


def api_key(text: str) -> str:
    """An API key that an HTTP header can carry; a `Bearer ` prefix is dropped."""
    key = bare_key(text)
    if not key:
        raise ValueError(
            "it needs a Stormkit API key: save one as a repository secret and pass it as"
            " api-key: ${{ secrets.STORMKIT_API_KEY }}; outside GitHub set the variable STORMKIT_API_KEY"
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
    if text and (not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) or _STORMKIT_KEY.match(text)):
        raise ValueError(accepted)
    return text


def environments(text: str) -> list[tuple[str, str]]:
    """Pairs of name and environment id, one `name: env-id` a line; lines that begin with `#` are comments."""
    pairs = []
    for number, line_text in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line_text or line_text.startswith("#"):
            continue
        match = _ENVIRONMENT.fullmatch(line_text)
        if match is None or not one_line(match["name"]) or _STORMKIT_KEY.match(match["env_id"]):
            raise ValueError(f'every line is "name: env-id", such as "docs: 305", and line {number} is not')
        pairs.append((one_line(match["name"]), match["env_id"]))
    if text.strip() and not pairs:
        raise ValueError('at least one line is "name: env-id", such as "docs: 305"')
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
        total = timedelta(hours=hours, minutes=minutes, seconds=seconds + float(match["bare"] or 0))
        if not least <= total.total_seconds() <= most:
            raise ValueError(f"it is a duration from {_largest_unit(least)} to {_largest_unit(most)}")
        return total

    return parse


def _largest_unit(seconds: float) -> str:
    """`seconds` in the largest unit that needs no fraction."""
    if seconds % 3600 == 0:
        return f"{seconds / 3600:g}h"
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s"


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
        if len(text) > most or strip_controls(text) != text or "\n" in text or "\t" in text:
            raise ValueError(f"it is one line of at most {most} characters, without control and invisible characters")
        return text

    return parse


# git-check-ref-format's rules, as far as they are about one name.
_NO_BRANCH = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\A[-/]|[/.]\Z|(?:\A|/)\.|\.lock(?:/|\Z)",
)


def branch(text: str) -> str:
    """A branch name; `refs/heads/` in front is dropped. Git's own rules decide what is one."""
    name = text.removeprefix("refs/heads/")
    if name.startswith("refs/"):
        raise ValueError("it is the name of a branch, not another ref")
    if (text and not name) or name in ("@", "HEAD") or len(name) > 250:
        raise ValueError("it is the name of a branch")
    if _NO_BRANCH.search(name):
        raise ValueError("it is the name of a branch, without blanks and whatever else Git refuses")
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
    # urlsplit() drops line ends and an empty query in silence, so they are looked for in the text.
    whole = re.fullmatch(r"[!-~]+", text) and not re.search("[?#@]", text) and not parts.path.strip("/")
    # A name or an IPv4 address; an IPv6 address, which alone has colons.
    named = host is not None and re.fullmatch(r"[a-z0-9._-]*[a-z0-9]|[0-9a-f:.]*:[0-9a-f:.]*", host)
    if parts.scheme not in ("http", "https") or not whole or not named or port == 0:
        raise ValueError("it is an origin such as https://stormkit.example.com, without a path")
    bracketed = f"[{host}]" if host and ":" in host else host
    return f"{parts.scheme}://{bracketed}{f':{port}' if port else ''}"


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
