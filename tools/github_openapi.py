"""Writes tests/github_api/openapi.json, an excerpt of GitHub's OpenAPI document for the calls that the action makes.

`python -m tools.github_openapi` uses the newest version of the npm package @octokit/openapi, and
`python -m tools.github_openapi 23.0.2` that version. For each operation, the excerpt has all parameters and the whole
body, and the fields of the answer that the action reads, all as JSON Schema.
"""

import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PACKAGE = "@octokit/openapi"
DOCUMENT = "package/generated/api.github.com.json"
EXCERPT = Path(__file__).parents[1] / "tests/github_api/openapi.json"

Json = dict[str, Any]

_ACCOUNT = ("id", "login", "type")
_COMMENT = ("id", "body", "html_url", *(f"user.{name}" for name in _ACCOUNT))
_REPOSITORIES = tuple(f"{side}.repo.{name}" for side in ("head", "base") for name in ("id", "full_name"))
_PULL_REQUEST = ("number", "state", "head.ref", "head.sha", *_REPOSITORIES)
_DEPLOYMENT = (
    *("id", "task", "environment", "payload", "production_environment"),
    *(f"creator.{name}" for name in _ACCOUNT),
)
_REPOSITORY = "/repos/{owner}/{repo}"

# Not 202: creating a deployment is answered so if GitHub merges the base branch instead, which the action turns off.
_SUCCESS = ("200", "201", "204")

# The document does not say that `head.repo` is null if the fork has been deleted.
_CORRECTIONS = {"repo": {"nullable": True}}

READS: Mapping[str, Sequence[str]] = {
    "GET /user": _ACCOUNT,
    f"GET {_REPOSITORY}/pulls": _PULL_REQUEST,
    f"GET {_REPOSITORY}/pulls/{{pull_number}}": _PULL_REQUEST,
    f"GET {_REPOSITORY}/commits/{{commit_sha}}/pulls": _PULL_REQUEST,
    f"GET {_REPOSITORY}/branches/{{branch}}": ("commit.sha",),
    f"GET {_REPOSITORY}/issues/{{issue_number}}/comments": _COMMENT,
    f"POST {_REPOSITORY}/issues/{{issue_number}}/comments": _COMMENT,
    f"GET {_REPOSITORY}/issues/comments/{{comment_id}}": _COMMENT,
    f"PATCH {_REPOSITORY}/issues/comments/{{comment_id}}": ("id",),
    f"DELETE {_REPOSITORY}/issues/comments/{{comment_id}}": (),
    f"GET {_REPOSITORY}/deployments": _DEPLOYMENT,
    f"POST {_REPOSITORY}/deployments": _DEPLOYMENT,
    f"GET {_REPOSITORY}/deployments/{{deployment_id}}/statuses": ("state",),
    f"POST {_REPOSITORY}/deployments/{{deployment_id}}/statuses": ("state",),
}
"""The action's operations, and the fields that it reads from their answers, or from each entry if it is a list."""


def excerpt(document: Json) -> Json:
    """The part of GitHub's OpenAPI document that is about the action's operations."""
    operations = {operation: _operation(document, operation, fields) for operation, fields in READS.items()}
    return {"package": f"{PACKAGE}@{document['info']['version']}", "operations": operations}


def text(content: Json) -> str:
    """An excerpt as the text of its file."""
    return json.dumps(content, indent=2) + "\n"


def download(version: str = "latest") -> Json:
    """Download GitHub's OpenAPI document from npm. Raises CalledProcessError with npm's error output in `stderr`."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--loglevel=error", "--fetch-retries=0", f"{PACKAGE}@{version}"]
        packed = subprocess.run(command, cwd=directory, check=True, capture_output=True, text=True, timeout=120)  # noqa: S603
        with tarfile.open(Path(directory, packed.stdout.split()[-1])) as archive:
            file = archive.extractfile(DOCUMENT)
            if file is None:
                raise ValueError(f"{PACKAGE}@{version} has no {DOCUMENT}.")
            document: Json = json.load(file)
            return document


def _operation(document: Json, operation: str, fields: Sequence[str]) -> Json:
    method, path = operation.split()
    described = document["paths"][path][method.lower()]
    parameters: dict[str, Json] = {"path": {}, "query": {}}
    for given in described["parameters"]:
        parameter = _resolved(document, given)
        parameters[parameter["in"]][parameter["name"]] = _schema(document, parameter["schema"])
    body = described.get("requestBody", {}).get("content", {}).get("application/json")
    answers = {
        status: _answer(document, answer, fields)
        for status, answer in described["responses"].items()
        if status in _SUCCESS
    }
    sent = {**_schema(document, body["schema"]), "additionalProperties": False} if body else None
    return {**parameters, "body": sent, "answers": answers}


def _answer(document: Json, answer: Json, fields: Sequence[str]) -> Json | None:
    """The schema of a successful answer with only the fields that the action reads; None if it has no body."""
    content = _resolved(document, answer).get("content", {}).get("application/json")
    return _schema(document, content["schema"], fields) if content else None


def _schema(document: Json, schema: Json, fields: Iterable[str] | None = None) -> Json:
    """An OpenAPI 3.0 schema as JSON Schema, with all its properties or only with `fields`."""
    schema = {**_resolved(document, schema), **schema}
    choices = schema.get("oneOf") or schema.get("anyOf")
    if choices:
        # Not `oneOf`: without the properties that distinguish them, several choices may match.
        made: Json = {"anyOf": [_schema(document, choice, fields) for choice in choices]}
    elif "items" in schema:
        made = {"type": "array", "items": _schema(document, schema["items"], fields)}
    elif "allOf" in schema:
        made = {"allOf": [_schema(document, part, fields) for part in schema["allOf"]]}
    else:
        made = {name: schema[name] for name in ("type", "enum", "maxLength", "minimum", "maximum") if name in schema}
        properties = schema.get("properties", {})
        if properties:
            inner = _by_property(fields) if fields is not None else dict.fromkeys(properties)
            made["properties"] = {
                name: _schema(document, properties[name] | _CORRECTIONS.get(name, {}), inner[name]) for name in inner
            }
            made["required"] = [name for name in inner if name in schema.get("required", ())]
    return {"anyOf": [{"type": "null"}, made]} if schema.get("nullable") else made


def _by_property(fields: Iterable[str]) -> dict[str, list[str] | None]:
    """For each property, the fields that are read in it; None if all of it is read."""
    inner: dict[str, list[str] | None] = {}
    for field in fields:
        name, _, rest = field.partition(".")
        below = inner.setdefault(name, [] if rest else None)
        if below is not None:
            below.append(rest)
    return inner


def _resolved(document: Json, described: Json) -> Json:
    while "$ref" in described:
        found: Any = document
        for name in described["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        described = found
    return described


if __name__ == "__main__":
    EXCERPT.write_text(text(excerpt(download(*sys.argv[1:]))), encoding="utf-8")
