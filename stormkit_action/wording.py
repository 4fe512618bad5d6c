"""Messages outside GitHub: they name the flags of the command line, where those of a step name its inputs."""

import re

from stormkit_action.inputs import INPUTS, variable_elsewhere

# What comes before an input's name in our messages. Foreign text, such as a branch called health-check, stays as it is.
_BEFORE = r"\b(?:[Cc]heck(?: that)?|[Ss]et|[Dd]rop|[Aa]djust|Start|Raise|key|another|and|input) |\((?=on-)"
_NAMES = "|".join(sorted((spec.name for spec in INPUTS if not spec.secret), key=len, reverse=True))
_HYPHENATED = "|".join(name for name in _NAMES.split("|") if "-" in name)
_MENTION = (
    rf"(?P<before>{_BEFORE})(?:(?P<name>{_HYPHENATED})|(?<=input )(?P<input>{_NAMES})|(?<=Raise )(?P<limit>timeout))"
    r"(?::(?= (?:leave|stop)\)))?(?![\w-])"
)

_PHRASES = {
    "save it as a repository secret": f"set {variable_elsewhere('api-key')} to it",
    "without an env-id": "without --env-id",
    "adjust health-check, ": "adjust --health-check, --",
}


def with_flags(text: str) -> str:
    """`text` with every input that it mentions called by its flag."""
    for phrase, replacement in _PHRASES.items():
        text = text.replace(phrase, replacement)
    return re.sub(_MENTION, _as_flag, text)


def _as_flag(match: re.Match[str]) -> str:
    before = match["before"].removesuffix("input ")
    return f"{before}--{match['name'] or match['input'] or match['limit']}"
