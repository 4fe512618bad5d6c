"""Answers that a real Stormkit server gave (tests/recordings)."""

import json
from pathlib import Path
from typing import Any

import responses

from stormkit_action.stormkit.models import Deployment

RECORDINGS = Path(__file__).parents[1] / "recordings"


def exchanges(scenario: str) -> list[dict[str, Any]]:
    """The exchanges of a scenario, in order."""
    recording: dict[str, Any] = json.loads((RECORDINGS / f"{scenario}.json").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = recording["exchanges"]
    return found


def deployments(scenario: str, *, logs: bool = True) -> list[Deployment]:
    """The deployments read in a scenario with or without their logs, in order."""
    return [
        Deployment.from_api(exchange["response"]["json"]["deployment"])
        for exchange in exchanges(scenario)
        if "deployment" in (exchange["response"].get("json") or {})
        and ("logs=true" in exchange["request"]["path"]) == logs
    ]


def register(api: responses.RequestsMock, origin: str, exchange: dict[str, Any]) -> None:
    """Answer the recorded request with the recorded response."""
    request, answer = exchange["request"], exchange["response"]
    headers = {name: value for name, value in answer["headers"].items() if name != "content-length"}
    body = json.dumps(answer["json"]) if "json" in answer else answer.get("text", "")
    content_type = headers.pop("content-type", None)
    api.add(
        request["method"],
        origin + request["path"].partition("?")[0],
        body=body,
        status=answer["status"],
        headers=headers,
        content_type=content_type,
    )
