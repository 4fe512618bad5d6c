"""JSON read as it arrives: long strings in it are compressed on their way, everything else is parsed at the end.

A build log can be tens of megabytes. Parsed in one go it would be held four times over: as bytes, as text, as parsed
strings and as redacted ones.
"""

import codecs
import json
import re
import secrets as tokens
from collections.abc import Iterable
from typing import Any

from stormkit_action.stormkit.long_text import LongText
from stormkit_action.text import redact, redact_json

# An answer without end is not a log. A bigger one than SMALL is parsed while it arrives. Bytes.
MAX_SIZE = 64 * 1024 * 1024
SMALL = 256 * 1024

# Longer strings become LongText. Characters, as they stand in the JSON.
LONG = 8 * 1024

# They are compressed about so many characters at a time.
PIECE = 64 * 1024

# A part of a string's inside, without half an escape at its end. Bounded, as the matcher remembers every repeat; a
# possessive one, which remembers none, ends in the middle of an escape before Python 3.11.5.
_INSIDE = re.compile(r'(?:[^"\\]+|\\(?:[^u]|u[0-9a-fA-F]{4})){1,1000}')
LONGEST_ESCAPE = 6


def read_document(chunks: Iterable[bytes], secrets: tuple[str, ...]) -> Any:
    """The JSON in a body, redacted of `secrets`; None when it holds none.

    Bytes that are not UTF-8 become replacement characters, and a byte order mark does not count.
    """
    begin, size = bytearray(), 0
    reader: JsonReader | None = None
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > MAX_SIZE:
                return None
            if reader is not None:
                reader.feed(chunk)
                continue
            begin += chunk
            if size > SMALL:
                reader = JsonReader(secrets)
                reader.feed(bytes(begin.removeprefix(codecs.BOM_UTF8)))
        if reader is not None:
            return reader.result()
        return redact_json(json.loads(begin.decode("utf-8-sig", "replace")), secrets)
    except (ValueError, RecursionError):
        return None


class JsonReader:
    """Reads one document. Every string comes out redacted of `secrets` and without lone surrogates."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._document: list[str] = []
        self._texts: list[LongText] = []
        self._mark = f"{tokens.token_hex(16)}:"
        self._rest = ""
        self._string: _String | None = None

    def feed(self, data: bytes) -> None:
        """Take what has arrived. Raises ValueError where it can't be JSON."""
        self._take(self._rest + self._decoder.decode(data))

    def result(self) -> Any:
        """The document, with a LongText for each long string. Raises ValueError (or RecursionError) if it is none."""
        self._take(self._rest + self._decoder.decode(b"", final=True))
        if self._string is not None:
            raise ValueError("the JSON ends inside a string")
        return self._with_texts(redact_json(json.loads("".join(self._document)), self._secrets))

    def _take(self, data: str) -> None:
        position = 0
        while position < len(data):
            if self._string is None:
                quote = data.find('"', position)
                end = len(data) if quote < 0 else quote
                self._document.append(data[position:end])
                position = end + 1
                if quote >= 0:
                    self._string = _String(self._secrets)
                continue
            end = _inside(data, position)
            self._string.add(data[position:end])
            position = end
            if data[end : end + 1] != '"':
                break  # the rest of it is still to come
            self._document.append(self._ended(self._string))
            self._string = None
            position += 1
        self._rest = data[position:]
        if len(self._rest) >= LONGEST_ESCAPE:
            raise ValueError("the JSON holds an escape that is none")

    def _ended(self, string: "_String") -> str:
        short, text = string.end()
        if text is None:
            return f'"{short}"'
        self._texts.append(text)
        return f'"{self._mark}{len(self._texts) - 1}"'

    def _with_texts(self, value: Any) -> Any:
        if isinstance(value, str) and value.startswith(self._mark):
            return self._texts[int(value.removeprefix(self._mark))]
        if isinstance(value, list):
            return [self._with_texts(entry) for entry in value]
        if isinstance(value, dict):
            return {key: self._with_texts(entry) for key, entry in value.items()}
        return value


def _inside(data: str, position: int) -> int:
    """Where a string's inside ends in `data`: at its closing quote, at half an escape, or with `data`."""
    while part := _INSIDE.match(data, position):
        position = part.end()
    return position


class _String:
    """A JSON string on its way, escapes and all; from LONG characters on it goes into a LongText."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = secrets
        # So much of the end is held back that no secret is cut in two.
        self._held_back = max((len(secret) for secret in secrets), default=1)
        self._escaped: list[str] = []
        self._size = 0
        self._plain = ""
        self._text: LongText | None = None

    def add(self, escaped: str) -> None:
        """Add a part. Raises ValueError where it holds what no JSON string may."""
        self._escaped.append(escaped)
        self._size += len(escaped)
        if self._size > (LONG if self._text is None else PIECE):
            self._text = self._text or LongText()
            self._store(self._text)

    def end(self) -> tuple[str, LongText | None]:
        """The string as it stood in the JSON, or a text if it was long."""
        if self._text is None:
            return "".join(self._escaped), None
        self._store(self._text)
        self._text.append(_mended(self._plain))
        return "", self._text

    def _store(self, text: LongText) -> None:
        strip_controls = redact(self._plain + json.loads(f'"{"".join(self._escaped)}"'), self._secrets)
        cut = max(0, len(strip_controls) - self._held_back)
        if cut and "\ud800" <= strip_controls[cut - 1] <= "\udbff":
            cut -= 1  # the other half of the character may come next
        text.append(_mended(strip_controls[:cut]))
        self._plain = strip_controls[cut:]
        self._escaped, self._size = [], 0


def _mended(text: str) -> str:
    """`text` with halves of one character put together, and single ones replaced."""
    if text.isascii():
        return text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
    return whole.encode("utf-8", "replace").decode()
