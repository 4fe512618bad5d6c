"""The local Stormkit of the generation `april` answers like the recorded server, scenario by scenario.

Each recorded request is sent again, at the same second, to a server in the same state. The status, the content type,
the fields and their types, and the fields that describe a deployment's state are compared: so are the order of states
and the effects of a stop, a restart and a deletion. Commits, times and the messages in logs are not compared.
"""

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.clock import FakeClock
from sandbox.stormkit.builds import DEFAULT_STEPS
from sandbox.stormkit.server import FaultKind, Generation, KeyScope, Outcome, Step, Stormkit

RECORDINGS = Path(__file__).parents[1] / "recordings"
SCENARIOS = sorted(path.stem for path in RECORDINGS.glob("*.json"))

DOMAIN = "stormkit.example:8899"
BRANCHES = ("main", "feature/ok", "broken", "fail-checks", "slow", "forever")
CHECK = "sh -c 'echo check one; sleep 8; test ! -f fail-checks'"
CHECK_S = 8.0
QUEUED_S = 0.2
LONG_S = 10_000.0

# A build ends this long before the first recorded request that saw it ended.
MARGIN_S = 0.02

# Durations and times may differ by this, because the server truncates them to whole seconds.
TOLERANCE_S = 1.0
# The server ends builds that take too long, and looks for them once a minute.
LIMIT_S = 900
LIMIT_TOLERANCE_S = 60.0

# Fields of a deployment whose values are compared, not only their types.
COMPARED_FIELDS = (
    "status",
    "error",
    "branch",
    "envName",
    "isAutoDeploy",
    "isAutoPublish",
    "stoppedManually",
    "statusChecksPassed",
)

Json = dict[str, Any]


@cache
def exchanges(scenario: str) -> list[Json]:
    recording: Json = json.loads((RECORDINGS / f"{scenario}.json").read_text(encoding="utf-8"))
    return list(recording["exchanges"])


def server(clock: FakeClock) -> Stormkit:
    """A local Stormkit with the recorded server's apps, environments and keys."""
    stormkit = Stormkit(generation=Generation.APRIL, clock=clock.monotonic)
    stormkit.answers.domain = DOMAIN
    for env_id, name in (("305", "production"), ("306", "staging"), ("307", "checks"), ("308", "autopub")):
        checks = ({"name": "one", "cmd": CHECK, "description": ""},) if env_id == "307" else ()
        stormkit.add_environment(
            env_id, name=name, app_name="demo-site", build_command="sh build.sh", status_checks=checks
        )
    stormkit.add_environment("310", name="production", app_id="1512", app_name="other", team_id="78")
    stormkit.add_environment("311", name="production", app_id="1513", app_name="gh-site", build_command="sh build.sh")
    for env_id in ("305", "306", "307", "308", "311"):
        stormkit.add_key(f"SK_{env_id}", env_id=env_id)
    for scope in (KeyScope.APP, KeyScope.TEAM):
        stormkit.add_key(f"SK_{scope}", scope=scope)
    stormkit.add_key("SK_user", scope=KeyScope.USER, owner="77")
    for branch in BRANCHES:
        stormkit.push(branch, "2aec2621a8c708ffea7c6474b36f67ab1efe9ede", author="Jane Doe <jane@example.com>")
    stormkit.preview(missing=("/nothere", "/v1/deployments"))
    return stormkit


@dataclass
class Replay:
    """Sends a scenario's requests again. `ids` maps recorded deployment ids to local ones."""

    stormkit: Stormkit
    clock: FakeClock
    scenario: str
    ids: dict[str, str] = field(default_factory=dict)

    def run(self) -> Iterator[tuple[Json, requests.Response]]:
        began = self.clock.passed
        for position, exchange in enumerate(exchanges(self.scenario)):
            self.clock.advance(max(0.0, began + exchange["at_s"] - self.clock.passed))
            self._order_build(position, exchange)
            answer = self._send(exchange["request"])
            triggered = exchange["response"]["status"] == 201
            if triggered and answer.status_code == 201:
                self.ids[exchange["response"]["json"]["id"]] = answer.json()["id"]
            yield exchange, answer

    def local(self, text: str) -> str:
        """`text` with recorded deployment ids replaced by local ones."""
        return re.sub(r"\d{4,}", lambda match: self.ids.get(match[0], match[0]), text)

    def _send(self, request: Json) -> requests.Response:
        key = str(request["key"] or "")
        key = re.sub(r"^environment key of ", "SK_", key)
        key = re.sub(r"^(app|team|user) key$", r"SK_\1", key)
        host = request.get("headers", {}).get("Host", f"api.{DOMAIN}")
        headers = {"Host": self.local(host), **({"Authorization": key} if key else {})}
        if "json" in request:
            headers["Content-Type"] = "application/json"
        content = json.dumps(request["json"]) if "json" in request else request.get("text", "")
        return requests.request(
            request["method"],
            self.stormkit.url + self.local(request["path"]),
            data=content,
            headers=headers,
            timeout=5,
            allow_redirects=False,
        )

    def _order_build(self, position: int, exchange: Json) -> None:
        """Configure the build that this request starts to take as long as the recorded one."""
        request, response = exchange["request"], exchange["response"]
        if response["status"] == 201:
            deployment_id, branch = response["json"]["id"], response["json"]["branch"]
        elif request["path"].endswith("/restart") and response["status"] == 200:
            deployment_id = request["path"].split("/")[3]
            branch = next(
                exchange["response"]["json"]["branch"]
                for exchange in exchanges(self.scenario)
                if exchange["response"].get("json", {}).get("id") == deployment_id
            )
        else:
            return
        fails = branch == "broken"
        ends, built = self._ends(position, deployment_id)
        if not math.isfinite(ends) and self._is_queued(deployment_id):
            self.stormkit.next_build(seconds=2 * LONG_S, queued=LONG_S)
            return
        *before, build = DEFAULT_STEPS[Outcome.FAILED if fails else Outcome.SUCCESS]
        share = 5.0 * max(1.0, min(built, LONG_S))
        self.stormkit.next_build(
            seconds=built,
            queued=QUEUED_S,
            outcome="failed" if fails else "success",
            steps=(*before, Step(title=build.title, message=build.text, ok=not fails, share=share)),
            checks=(Step(title=CHECK, message="check one\n\n", ok=branch != "fail-checks"),) if ends > built else (),
            check_seconds=min(LONG_S, ends - built) if ends > built else 0.0,
        )

    def _ends(self, position: int, deployment_id: str) -> tuple[float, float]:
        """Seconds to the end of the build that the exchange at `position` started, and to that of its own steps.

        The two differ where status checks follow. A build without an end in the recording never ends.
        """
        rest = exchanges(self.scenario)[position:]
        built = math.inf
        for exchange in rest[1:]:
            path, body = exchange["request"]["path"], exchange["response"].get("json", {})
            seconds = exchange["at_s"] - rest[0]["at_s"] - MARGIN_S
            if not path.startswith(f"/v1/deployments/{deployment_id}"):
                continue
            if path.endswith(("/stop", "/restart")) and body.get("ok"):
                break
            deployment = body.get("deployment", body)
            if deployment.get("stoppedAt") and deployment["status"] == "running":
                built = min(built, seconds, deployment["duration"] + 0.9)
            if deployment.get("status", "running") != "running":
                if rest[0]["response"]["status"] == 201 and self._has_checks(deployment_id):
                    built = min(built, seconds - CHECK_S)
                return seconds, min(built, seconds)
        return math.inf, built

    def _has_checks(self, deployment_id: str) -> bool:
        """Whether the deployment's status checks ran to their end."""
        return any(
            deployment["statusChecksPassed"] is not None
            for exchange in exchanges(self.scenario)
            for deployment in deployments_of(exchange["response"].get("json"))
            if deployment["id"] == deployment_id
        )

    def _is_queued(self, deployment_id: str) -> bool:
        """Whether the deployment is stopped in the queue."""
        return any(
            exchange.get("note") == "queued" and deployment_id in exchange["request"]["path"]
            for exchange in exchanges(self.scenario)
        )


def prepare(replay: Replay) -> None:
    """Add the deployments that the recorded server had before the scenario."""
    stormkit = replay.stormkit
    match replay.scenario:
        case "delete" | "deploy-success" | "publish":
            add_history(stormkit, "306", 30)
        case "paging":
            add_history(stormkit, "306", 61)
        case "refusals":
            add_history(stormkit, "305", 30)
        case "repository-inaccessible":
            add_history(stormkit, "311", 1, status="failed")
        case "ended-after-15-minutes":
            run_for_ever(replay)


def add_history(stormkit: Stormkit, env_id: str, number: int, *, status: str = "success") -> None:
    for _ in range(number):
        stormkit.add_deployment(
            "main", status, 1.0, env_id=env_id, error="Error: exit status 128" if status == "failed" else ""
        )


def run_for_ever(replay: Replay) -> None:
    *before, build = DEFAULT_STEPS[Outcome.SUCCESS]
    replay.stormkit.next_build(seconds=math.inf, queued=0.0, steps=(*before, build))
    body = {"branch": "forever"}
    triggered = replay._send({"method": "POST", "path": "/v1/deploy", "key": "environment key of 308", "json": body})
    replay.ids["8143"] = triggered.json()["id"]
    replay.clock.advance(1000.0)


def kind(value: object) -> str:
    return type(value).__name__


def shape(value: object, path: str = "") -> dict[str, str]:
    """The type of every field, by its path; `[]` is the first element of an array."""
    if isinstance(value, dict):
        inner = {name: text for key, child in value.items() for name, text in shape(child, f"{path}.{key}").items()}
        return {path: "dict", **inner}
    if isinstance(value, list):
        return {path: "list", **(shape(value[0], f"{path}[]") if value else {})}
    return {path: kind(value)}


# An environment's own variables, which differ between the servers.
OWN_FIELDS = re.compile(r"\.snapshot\.build\.vars\.")


def comparable(value: object) -> dict[str, str]:
    return {path: text for path, text in shape(value).items() if not OWN_FIELDS.search(path)}


def log_of(entries: list[Json] | None) -> list[tuple[str, bool, str]] | None:
    """Titles, statuses, and the kind of duration: seconds, or minus the Unix time for a running step."""
    if entries is None:
        return None
    return [(entry["title"], entry["status"], "since" if entry["duration"] < 0 else "seconds") for entry in entries]


def state_of(deployment: Json) -> Json:
    """The fields that describe a deployment's state."""
    return {
        **{name: deployment[name] for name in COMPARED_FIELDS},
        "published": [part["percentage"] for part in deployment["published"]],
        "configured": deployment["snapshot"] is not None,
        "stopped": deployment["stoppedAt"] is not None,
        "commit": deployment["commit"]["sha"] is not None,
        "uploaded": deployment["uploadResult"] and any(deployment["uploadResult"].values()),
        "logs": log_of(deployment["logs"]),
        "checks": log_of(deployment["statusChecks"]),
    }


def body_of(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def deployments_of(body: Any) -> list[Json]:
    """The deployments in a body."""
    if not isinstance(body, dict):
        return []
    if "deployments" in body:
        return list(body["deployments"])
    body = body.get("deployment", body)
    return [body] if "envId" in body else []


def differ(what: str, here: object, there: object) -> list[str]:
    return [f"{what}: {here}, not {there}"] if here != there else []


def compare(exchange: Json, answer: requests.Response, replay: Replay) -> list[str]:
    """How the answer differs from the recorded one."""
    recorded, headers = exchange["response"], exchange["response"]["headers"]
    expected, body = recorded.get("json", recorded.get("text", "")), body_of(answer)
    version = replay.local(headers.get("x-sk-version", "")) or None
    found = [
        *differ("status", answer.status_code, recorded["status"]),
        *differ("content type", answer.headers.get("content-type"), headers.get("content-type")),
        *differ("X-Sk-Version", answer.headers.get("x-sk-version"), version),
        *(differ("server", answer.headers["server"], headers["server"]) if "server" in headers else ()),
    ]
    if not deployments_of(expected):
        is_page = "html" in headers.get("content-type", "")
        return found if is_page else [*found, *differ("body", body, expected)]
    if not deployments_of(body):
        return [*found, f"no deployment: {body}"]
    if "deployments" in expected:
        return [*found, *compare_lists(body, expected, recorded.get("rows", len(expected["deployments"])))]
    differing = sorted(set(comparable(body).items()) ^ set(comparable(expected).items()))
    (here,), (there,) = deployments_of(body), deployments_of(expected)
    return [*found, *differ("fields and types", differing, []), *compare_deployments(here, there)]


def compare_lists(here: Json, there: Json, rows: int) -> list[str]:
    return [
        *differ("rows", len(here["deployments"]), rows),
        *differ("hasNextPage", here["hasNextPage"], there["hasNextPage"]),
        *(
            difference
            for row in here["deployments"]
            for difference in differ("fields of a row", sorted(row), sorted(there["deployments"][0]))
        ),
    ]


def compare_deployments(here: Json, there: Json) -> list[str]:
    ours, theirs = state_of(here), state_of(there)
    found = [difference for name in ours for difference in differ(name, ours[name], theirs[name])]
    tolerance = LIMIT_TOLERANCE_S if there["duration"] > LIMIT_S else TOLERANCE_S
    if abs(int(here["duration"]) - there["duration"]) > tolerance:
        found.append(f"duration: {here['duration']}, not {there['duration']}")
    if here["stoppedAt"]:
        between = int(here["stoppedAt"]) - int(here["createdAt"])
        found += differ("seconds between createdAt and stoppedAt", between, int(here["duration"]))
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_local_server_answers_as_the_recorded_one(scenario: str) -> None:
    clock = FakeClock()
    with server(clock) as stormkit:
        replay = Replay(stormkit, clock, scenario)
        prepare(replay)
        differences = [
            f"{exchange['at_s']} {exchange['request']['method']} {exchange['request']['path']}: {difference}"
            for exchange, answer in replay.run()
            for difference in compare(exchange, answer, replay)
        ]
    assert differences == []


@pytest.mark.parametrize(
    ("disturb", "expected"),
    [
        (lambda stormkit: stormkit.fault("poll", FaultKind.ERROR_500), "status: 500, not 200"),
        (lambda stormkit: stormkit.fault("read", FaultKind.HTML_502), "content type: text/html, not application/json"),
        (lambda stormkit: stormkit.fault("poll", FaultKind.UNKNOWN_STATUS), "body: {'status': 'verifying'}"),
        (lambda stormkit: stormkit.answers.overrides.update(snapshot=None), "configured: False, not True"),
        (lambda stormkit: stormkit.answers.overrides.update(futureField=1), "('.futureField', 'int')"),
        (lambda stormkit: stormkit.answers.overrides.update(duration="2"), "('.duration', 'str')"),
        (lambda stormkit: stormkit.next_build(seconds=9.0), "status: running, not success"),
    ],
)
def test_the_comparison_finds_each_kind_of_difference(disturb: Callable[[Stormkit], object], expected: str) -> None:
    clock = FakeClock()
    with server(clock) as stormkit:
        replay = Replay(stormkit, clock, "deploy-success")
        prepare(replay)
        disturb(stormkit)
        differences = [
            difference for exchange, answer in replay.run() for difference in compare(exchange, answer, replay)
        ]
    assert any(expected in difference for difference in differences), differences
