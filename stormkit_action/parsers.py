"""Parsers of single input values: text in, typed value out. ValueError says what is valid, as the end of a sentence."""

import re
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

from stormkit_action.text import encodable, one_line, strip_controls

E = TypeVar("E", bound=StrEnum)

_DAY_S = 24 * 60 * 60

# YAML 1.2 core schema.
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_FIGURE = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
# A bare number is seconds and stands alone: in "1h30" it would be read as minutes.
_DURATION = re.compile(
    rf"(?:(?P<h>{_FIGURE})h)?(?:(?P<m>{_FIGURE})m)?(?:(?P<s>{_FIGURE})s)?|(?P<bare>{_FIGURE})",
)
# A name holds none of the characters that separate entries, so that two entries on a line are never read as one.
_ENVIRONMENT = r"(?P<name>[^:;=\\{}\[\]\"]{1,100}?)\s*:\s*(?P<env_id>[A-Za-z0-9_-]{1,64})"

# Lines that are nearly an environment, and what is wrong with them: the first that matches.
_NEAR_MISSES = (
    (r"\A- ", 'begins with "-"'),
    (r"\A\* ", 'begins with "*"'),
    (r"\A[{\[]", "looks like JSON"),
    (
        r"[:=]\s*[A-Za-z0-9_-].*[:=]\s*[A-Za-z0-9_-]",
        "has more than one environment: begin a new line for each",
    ),
    (r"\w\s*=>?\s*\w", 'has "=" instead of ":"'),
    (r":\s*SK_", "has an API key instead of an env-id"),
    (r"\A'|\"", "has quotes"),
    (r"\A[^:]*\Z", "has no colon"),
    (r":\Z", "has no env-id"),
    (r"\A\d+\s*:\s*(?!\d+\Z)", "has the env-id first"),
    (r":\s*[A-Za-z0-9_-]+\s+#", "has a comment; comments stand on a line of their own"),
)

# Redacted from every error, whichever input it was typed into: Stormkit keys, the user and password in a URL (with or
# without `//`), and the values in its query and fragment.
_STORMKIT_KEY = r"SK_[!-~]+"
_CREDENTIALS = (
    (_STORMKIT_KEY, "***"),
    (r"(?<=//)\S*@", "***@"),
    (r"\S*:(?!//)\S*@", "***@"),
    (r"(?<=[?&;#])([\w.~-]*=)[^\s&;#]+", r"\1***"),
)

# Common mistakes in passing a key. None of the messages shows the key.
_NO_KEY = (
    (r"""["'`].*|.*["'`]""", "it is in quotes; pass the key without them"),
    (r"\$.+|%\w+%", "it is a variable's name, not its value; the variable was not expanded"),
    (r"(?!SK_)[A-Za-z_]\w*=.+", "it is NAME=value; pass the value alone"),
    (r"(?!SK_)[\w.~-]*/.+|[A-Za-z]:[\\/].+", "it is the path of a file; pass what the file holds"),
)


def shown(text: str) -> str:
    """A wrong value as an error shows it: one short line, without credentials."""
    clean = encodable(text)
    for pattern, replacement in _CREDENTIALS:
        clean = re.sub(pattern, replacement, clean)
    return one_line(clean, 80)


def bare_key(text: str) -> str:
    """An API key as it is given, without spaces around it and without a `Bearer` in front."""
    return re.sub(r"\A\s*Bearer(?:\s+|\Z)", "", text, flags=re.IGNORECASE).strip()


def api_key(text: str) -> str:
    """An API key that an HTTP header can carry; a `Bearer ` prefix is dropped."""
    key = bare_key(text)
    if not key:
        raise ValueError(
            "save a Stormkit API key as a repository secret and pass it as api-key: ${{ secrets.STORMKIT_API_KEY }}"
        )
    for pattern, advice in _NO_KEY:
        if re.fullmatch(pattern, key, re.DOTALL):
            raise ValueError(f"{advice}. Stormkit's keys begin with SK_")
    return token(key)


def token(text: str) -> str:
    """A token that an HTTP header can carry."""
    if not re.fullmatch(r"[!-~]*", text):
        raise ValueError("use one word of plain ASCII letters, digits and punctuation, without spaces or line ends")
    return text


def env_id(text: str) -> str:
    """A Stormkit environment id."""
    if text and (not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text) or re.match(_STORMKIT_KEY, text)):
        raise ValueError("use an environment id such as 305, from the environment's address on the dashboard")
    return text


def deployment_id(text: str) -> str:
    """A Stormkit deployment id."""
    if text and not re.fullmatch(r"[0-9]{1,19}", text):
        raise ValueError("use a deployment id such as 8241, from the output deployment-id or the dashboard")
    return text


def environments(text: str) -> list[tuple[str, str]]:
    """Pairs of name and environment id, one `name: env-id` a line; lines that begin with `#` are comments."""
    pairs = []
    for number, line_text in enumerate(map(str.strip, text.splitlines()), start=1):
        if not line_text or line_text.startswith("#"):
            continue
        match = re.fullmatch(_ENVIRONMENT, line_text)
        problem = _environment_problem(line_text, match)
        if match is None or problem:
            raise ValueError(f'use one "name: env-id" a line, such as "docs: 305"; line {number} {problem}')
        pairs.append((one_line(match["name"]), match["env_id"]))
    if text.strip() and not pairs:
        raise ValueError('use at least one line "name: env-id", such as "docs: 305"')
    for position, kind in ((0, "name"), (1, "env-id")):
        values = [pair[position] for pair in pairs]
        repeated = next((value for value in values if values.count(value) > 1), None)
        if repeated is not None:
            raise ValueError(f"use a different {kind} on every line; {shown(repeated)} is there twice")
    return pairs


def _environment_problem(line_text: str, match: re.Match[str] | None) -> str:
    """What keeps a line from being an environment, and what was probably meant; empty when it is one."""
    near_miss = next((problem for pattern, problem in _NEAR_MISSES if re.search(pattern, line_text)), "")
    if near_miss:
        meant = _probably_meant(line_text)
        return f'{near_miss}: write "{shown(meant)}"' if meant else near_miss
    return "" if match is not None and one_line(match["name"]) else "has another form"


def _probably_meant(line_text: str) -> str:
    """The `name: env-id` that a line nearly is; empty where that can't be told."""
    bare = line_text.partition(" #")[0].strip(" \t-*{}[],\"'")
    parts = re.split(r"=>|->|[:=]", bare)
    if len(parts) == 1:
        parts = bare.rsplit(maxsplit=1)
    if len(parts) != 2:
        return ""
    name, env_id = (part.strip(" \t-\"'") for part in parts)
    if name.isdecimal():
        name, env_id = env_id, name
    meant = f"{name}: {env_id}"
    return meant if env_id.isdecimal() and not name.isdecimal() and re.fullmatch(_ENVIRONMENT, meant) else ""


def one_of(kind: type[E]) -> Callable[[str], E]:
    """A parser for the values of an enumeration."""
    *values, last = kind

    def parse(text: str) -> E:
        try:
            return kind(text)
        except ValueError:
            raise ValueError(f"use {', '.join(values)} or {last}") from None

    return parse


def switch(kind: type[E]) -> Callable[[str], E]:
    """A parser for `auto` and booleans."""

    def parse(text: str) -> E:
        if text == "auto":
            return kind("auto")
        if text in _BOOLEANS:
            return kind("true" if _BOOLEANS[text] else "false")
        raise ValueError("use auto, true or false")

    return parse


def boolean(text: str) -> bool:
    """A YAML 1.2 boolean."""
    if text not in _BOOLEANS:
        raise ValueError("use true or false")
    return _BOOLEANS[text]


def duration(*, least: float = 1.0, most: float = 7 * _DAY_S) -> Callable[[str], timedelta]:
    """A parser for `90`, `90s`, `15m`, `1h30m`, within `least` and `most` seconds."""

    def parse(text: str) -> timedelta:
        match = _DURATION.fullmatch(text)
        if not text or match is None:
            raise ValueError("use a duration such as 90, 90s, 15m or 1h30m")
        hours, minutes, seconds = (float(match[unit] or 0) for unit in "hms")
        total = timedelta(hours=hours, minutes=minutes, seconds=seconds + float(match["bare"] or 0))
        if not least <= total.total_seconds() <= most:
            raise ValueError(f"use a duration from {_in_largest_unit(least)} to {_in_largest_unit(most)}")
        return total

    return parse


def _in_largest_unit(seconds: float) -> str:
    """`seconds` in the largest unit that needs no fraction."""
    if seconds % 3600 == 0:
        return f"{seconds / 3600:g}h"
    return f"{seconds / 60:g}m" if seconds % 60 == 0 else f"{seconds:g}s"


def whole_number(*, most: int) -> Callable[[str], int]:
    """A parser for 0 to `most`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) > most:
            raise ValueError(f"use a whole number from 0 to {most}")
        return int(text)

    return parse


def line(most: int) -> Callable[[str], str]:
    """A parser for one line of at most `most` characters."""

    def parse(text: str) -> str:
        if len(text) > most or strip_controls(text) != text or "\n" in text or "\t" in text:
            raise ValueError(f"use one line of at most {most} characters, without control or invisible characters")
        return text

    return parse


# git-check-ref-format's rules, as far as they are about one name.
_NO_BRANCH = r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\A[-/]|[/.]\Z|(?:\A|/)\.|\.lock(?:/|\Z)"


def branch(text: str) -> str:
    """A branch name; `refs/heads/` in front is dropped. Git's own rules decide what is one."""
    name = text.removeprefix("refs/heads/")
    if name.startswith("refs/"):
        raise ValueError("use the name of a branch, not another ref")
    if (text and not name) or name in ("@", "HEAD") or len(name) > 250:
        raise ValueError("use the name of a branch")
    if re.search(_NO_BRANCH, name):
        raise ValueError(r"use the name of a branch: no spaces, .., ~, ^, :, ?, *, [ or \ (see git check-ref-format)")
    return name


def sha(text: str) -> str:
    """A commit id, 7 to 40 hexadecimal digits."""
    if text and not re.fullmatch(r"[0-9A-Fa-f]{7,40}", text):
        raise ValueError("use a commit id of 7 to 40 hexadecimal digits")
    return text.lower()


def comment_key(text: str) -> str:
    """What separates comments: it becomes part of a marker."""
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", text) or "--" in text:
        raise ValueError("use up to 64 letters, digits, dots, underscores and single hyphens")
    return text


def url_path(text: str) -> str:
    """A path on the preview URL; empty for none."""
    if not text:
        return ""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or not re.fullmatch(r"[!-~]+", text):
        raise ValueError("use a path such as / or /health, not a full URL: it is requested from the preview URL")
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
        raise ValueError("use an origin such as https://api.example.com, without a path")
    bracketed = f"[{host}]" if host and ":" in host else host
    return f"{parts.scheme}://{bracketed}{f':{port}' if port else ''}"


def optional_origin(text: str) -> str:
    """An origin; empty for none."""
    return origin(text) if text else ""


def status_codes(text: str) -> frozenset[int]:
    """Codes and ranges such as `200`, `200-399` or `200,401`."""
    codes = set[int]()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([1-5][0-9]{2})\s*(?:-\s*([1-5][0-9]{2}))?\s*", part)
        accepted = range(int(match[1]), int(match[2] or match[1]) + 1) if match else ()
        if not accepted:
            raise ValueError("use HTTP status codes such as 200, 200-399 or 200,401")
        codes.update(accepted)
    return frozenset(codes)


def insecure(origin_url: str) -> bool:
    """Whether the key would cross a network unencrypted: plain http to anything but this machine."""
    parts = urlsplit(origin_url)
    loopback = r"(?:.+\.)?localhost|127(?:\.\d{1,3}){3}|::1"
    return parts.scheme == "http" and not re.fullmatch(loopback, parts.hostname or "")
