"""Evaluates the part of GitLab CI that the component uses: inputs, `rules` and environment names."""

import re
from collections.abc import Mapping
from typing import Any

import yaml

Variables = Mapping[str, str]

_TOKEN = re.compile(r'\s*(?:(?P<variable>\$\w+)|(?P<text>"[^"]*")|(?P<sign>==|!=|&&|\|\|))')
# "letters, digits, spaces, -, _, /, $, {, }, .", not beginning or ending with a slash, 255 characters at most.
_ENVIRONMENT = re.compile(r"(?!/)[A-Za-z0-9 _/${}.-]{1,255}(?<!/)")


def component(text: str, **inputs: str) -> dict[str, Any]:
    """The jobs of a component (`spec: inputs`) with the given inputs."""
    header, _, jobs = text.partition("\n---\n")
    specs = yaml.safe_load(header)["spec"]["inputs"]
    assert set(inputs) <= set(specs)
    values = {name: inputs.get(name, spec.get("default")) for name, spec in specs.items()}
    for name, spec in specs.items():
        if "regex" in spec:
            assert re.search(spec["regex"].strip("/"), values[name]), f"{name}: {values[name]}"
    filled = re.sub(r"\$\[\[ inputs\.([\w-]+) \]\]", lambda match: values[match[1]], jobs)
    loaded: dict[str, Any] = yaml.safe_load(filled)
    return loaded


def when(job: Mapping[str, Any], variables: Variables) -> str:
    """The `when` of the first rule that matches these variables, or `never`."""
    for rule in job["rules"]:
        if "if" not in rule or holds(rule["if"], variables):
            return str(rule.get("when", "on_success"))
    return "never"


def holds(expression: str, variables: Variables) -> bool:
    """Whether an `if` is true. `&&` binds more tightly than `||`; an unset variable is null."""
    tokens = _tokens(expression)
    alternatives: list[list[bool]] = [[]]
    while tokens:
        left, sign, right = (tokens.pop(0) for _ in range(3))
        same = _value(left, variables) == _value(right, variables)
        alternatives[-1].append(same if sign == "==" else not same)
        if tokens and tokens.pop(0) == "||":
            alternatives.append([])
    return any(all(terms) for terms in alternatives)


def is_environment_name(name: str) -> bool:
    """Whether GitLab accepts this environment name; otherwise it runs the job without an environment."""
    return _ENVIRONMENT.fullmatch(name) is not None


def expanded(text: str, variables: Variables) -> str:
    """`text` with its variables expanded."""
    return re.sub(r"\$\{?(\w+)\}?", lambda match: variables.get(match[1], ""), text)


def _tokens(expression: str) -> list[str]:
    found = [match[0].strip() for match in _TOKEN.finditer(expression)]
    assert "".join(found) == re.sub(r'\s+(?=(?:[^"]*"[^"]*")*[^"]*$)', "", expression), (
        f"{expression} is not read whole"
    )
    return found


def _value(token: str, variables: Variables) -> str | None:
    return token.strip('"') if token.startswith('"') else variables.get(token.removeprefix("$"))
