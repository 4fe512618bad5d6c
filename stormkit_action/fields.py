"""Reading fields of foreign JSON: each function takes any value and returns a typed one, never an error."""

import math
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

MAX_URL_LENGTH = 2000

# 9999-12-31T23:59:59Z, the largest datetime, in Unix seconds.
LATEST_S = 253_402_300_799


def text(value: object) -> str:
    """A string; empty for anything else."""
    return value if isinstance(value, str) else ""


def flag(value: object) -> bool | None:
    """A boolean; None for anything else."""
    return value if isinstance(value, bool) else None


def number(value: object) -> float:
    """A finite number, also one written as a string; 0 for anything else (JSON may hold NaN and Infinity)."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return parsed if math.isfinite(parsed) else 0.0


def unix_time(value: object) -> datetime | None:
    """A moment in Unix seconds, as a string or a number; None for anything else."""
    seconds = number(value)
    if seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None


def web_url(value: object) -> str:
    """An http(s) URL that is safe to print and link, percent-encoded; empty for anything else."""
    url = text(value).strip()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or len(url) > MAX_URL_LENGTH:
        return ""
    # urlsplit() drops line ends silently, so the whole text is checked for control characters.
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]_-]+", parts.netloc) or re.search(r"[\x00-\x1f\x7f]", url):
        return ""
    return quote(url, safe=":/?#[]@!$&*+,;=%~-._", errors="replace")


def url_path(value: object) -> str:
    """A path that stays on its origin, percent-encoded; empty for anything else."""
    path = text(value)
    if not path.startswith("/") or path.startswith(("//", "/\\")) or len(path) > MAX_URL_LENGTH:
        return ""
    return quote(path, safe="/?#=&%~-._:,;+", errors="replace")
