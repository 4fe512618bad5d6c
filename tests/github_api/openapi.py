"""Validates requests, and the local GitHub's answers, against GitHub's OpenAPI document (excerpt: openapi.json)."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema import Draft202012Validator

from sandbox.github.api import Answer
from sandbox.github.server import ENTERPRISE
from sandbox.web import ReceivedRequest

EXCERPT = Path(__file__).with_name("openapi.json")
OPERATIONS: Mapping[str, Any] = json.loads(EXCERPT.read_text(encoding="utf-8"))["operations"]

# The headers that GitHub's documentation asks for in every request.
DOCUMENTED_HEADERS = {
    "accept": r"application/vnd\.github\+json",
    "authorization": r"(token|Bearer) \S+",
    "user-agent": r"stormkit-action/\S+",
    "x-github-api-version": r"2022-11-28",
}
HTTP_HEADERS = {"accept-encoding", "connection", "content-length", "content-type", "host"}

# GitHub redirects a renamed repository to this path, which the OpenAPI document does not mention.
_BY_ID = re.compile(r"^/repositories/[0-9]+(?=/)")


def problems(request: ReceivedRequest, answer: Answer | None) -> Iterator[str]:
    """Yield what is wrong with a request and, if given, with its answer."""
    yield from _header_problems(request)
    target = urlsplit(request.target)
    path = _BY_ID.sub("/repos/octocat/hello-world", target.path.removeprefix(ENTERPRISE))
    if path in ("/graphql", "/api/graphql"):
        if request.method != "POST" or not isinstance(request.body, dict) or set(request.body) != {"query"}:
            yield "GraphQL takes a query in a POST"
        return
    name, arguments = _operation(request.method, path)
    if not name:
        yield "no such operation"
        return
    operation = OPERATIONS[name]
    query = dict(parse_qsl(target.query, keep_blank_values=True))
    for kind, given in (("path", arguments), ("query", query)):
        for parameter, text in given.items():
            yield from _parameter_problems(operation[kind].get(parameter), parameter, text)
    if operation["body"] is None:
        if request.content:
            yield "it takes no body"
    else:
        yield from _mismatches(operation["body"], request.body, "body")
    if answer is not None and answer.status < 300:
        if str(answer.status) not in operation["answers"]:
            yield f"the answer {answer.status} is not documented"
        else:
            yield from _mismatches(operation["answers"][str(answer.status)], answer.body, "answer")


def _header_problems(request: ReceivedRequest) -> Iterator[str]:
    for name, pattern in DOCUMENTED_HEADERS.items():
        if not re.fullmatch(pattern, request.headers.get(name, "")):
            yield f"header {name} is {request.headers.get(name, '') if name != 'authorization' else 'not right'!r}"
    unknown = request.headers.keys() - DOCUMENTED_HEADERS.keys() - HTTP_HEADERS
    if unknown:
        yield f"headers that are not documented: {', '.join(sorted(unknown))}"
    if request.content and request.headers.get("content-type") != "application/json":
        yield f"the body is {request.headers.get('content-type')}"


def _operation(method: str, path: str) -> tuple[str, Mapping[str, str]]:
    """The operation that a path belongs to and its decoded arguments; an empty name if there is none."""
    for name in OPERATIONS:
        match = _pattern(name).fullmatch(f"{method} {path}")
        if match:
            return name, {argument: unquote(text) for argument, text in match.groupdict().items()}
    return "", {}


@cache
def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", name))


def _parameter_problems(schema: Mapping[str, Any] | None, name: str, text: str) -> Iterator[str]:
    if schema is None:
        yield f"parameter {name} is not documented"
        return
    value = int(text) if schema.get("type") == "integer" and text.isdecimal() else text
    yield from _mismatches(schema, value, f"parameter {name}")


def _mismatches(schema: Mapping[str, Any] | None, value: object, what: str) -> Iterator[str]:
    if schema is None:
        if value is not None:
            yield f"{what}: there is none"
    elif schema.get("type") == "array" and isinstance(value, list):
        for entry in value:
            yield from _mismatches(schema["items"], entry, f"{what}[]")
    else:
        for text in _errors(json.dumps(schema), json.dumps(value)):
            yield f"{what}: {text}"


# Validation is slow, and most entries of a list were validated before.
@lru_cache(maxsize=10_000)
def _errors(schema: str, value: str) -> tuple[str, ...]:
    errors = _validator(schema).iter_errors(json.loads(value))
    return tuple(f"{error.json_path}: {error.message[:200]}" for error in errors)


@cache
def _validator(schema: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(schema))
