"""A representative part of the fault matrix, and the document that the whole of it wrote."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import requests

from sandbox.stormkit.server import ENV_KEY, FaultKind, Generation, Stormkit
from stormkit_action.reporting.outputs import OUTPUTS
from tools.reliability.document import DOCUMENT, FAULTS, differences, row
from tools.reliability.expected import EXCEPTIONS, USUAL, expected
from tools.reliability.running import RunResult, run, violations
from tools.reliability.scenarios import BRANCH, KINDS, OLD, OTHER_BRANCH, SCENARIOS, Cell, Scenario, prepare

SOME = (
    ("trigger", FaultKind.ANSWER_LOST),
    ("trigger", FaultKind.NEVER_ARRIVED),
    ("trigger", FaultKind.UNQUEUED_500),
    ("trigger", FaultKind.SLOW),
    ("lost-list", FaultKind.HTML_502),
    ("lost-list", FaultKind.FORBIDDEN_403),
    ("poll", FaultKind.GARBAGE),
    ("read", FaultKind.UNKNOWN_STATUS),
    ("publish", FaultKind.ERROR_500),
    ("publish", FaultKind.ANSWER_LOST),
    ("trigger", FaultKind.QUEUED_LATE),
    ("trigger", FaultKind.UNQUEUED_404),
    ("trigger", FaultKind.GATEWAY_LATE),
    ("read", FaultKind.FIREWALL_403),
    ("poll", FaultKind.INGRESS_404),
    ("publish", FaultKind.GATEWAY_LATE),
    ("retry", FaultKind.GATEWAY_DONE),
    ("restart", FaultKind.ANSWER_LOST),
    ("restart", FaultKind.NOT_FOUND_404),
    ("restart", FaultKind.GATEWAY_LATE),
    ("restart-loses", FaultKind.SLOW),
    ("timeout-stop", FaultKind.ANSWER_LOST),
    ("timeout-stop", FaultKind.GATEWAY_JSON),
    ("stop", FaultKind.BUSY_HEADER),
    ("delete", FaultKind.ANSWER_LOST),
    ("cleanup-list", FaultKind.EMPTY_OBJECT),
    ("cleanup-read", FaultKind.NOT_FOUND_404),
)
NAMED = {scenario.name: scenario for scenario in SCENARIOS}


def section(name: str) -> str:
    return DOCUMENT.read_text(encoding="utf-8").partition(f"\n## {NAMED[name].title}\n")[2].partition("\n## ")[0]


def figures(line: str) -> tuple[str, int, str, int]:
    cells = line.strip("| ").split(" | ")
    return cells[1], int(cells[2]), cells[5], int(cells[6])


@pytest.mark.parametrize(("name", "kind"), SOME, ids=str)
def test_a_run_comes_to_what_is_expected_and_documented(name: str, kind: FaultKind) -> None:
    once, always = (Cell(scenario=NAMED[name], kind=kind, always=always) for always in (False, True))
    generation = NAMED[name].generations[-1]
    runs = [run(once, generation), run(always, generation)]
    assert [each for cell, ran in zip((once, always), runs, strict=True) for each in differences(cell, ran)] == []
    (documented,) = (line for line in section(name).splitlines() if line.startswith(f"| {FAULTS[kind][0]} |"))
    # Requests and seconds depend on the pauses between polls too.
    assert [figures(row(kind, *runs))] == [figures(documented)]


@pytest.mark.parametrize("generation", [Generation.OLDER, Generation.APRIL])
@pytest.mark.parametrize("name", ["trigger", "publish", "retry", "stop"])
def test_an_older_server_comes_to_the_same(name: str, generation: Generation) -> None:
    cell = Cell(scenario=NAMED[name], kind=FaultKind.ANSWER_LOST, always=False)
    assert differences(cell, run(cell, generation)) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_cell_is_expected_and_documented(scenario: Scenario) -> None:
    kinds = scenario.kinds or KINDS
    rows = [line for line in section(scenario.name).splitlines() if line.startswith("| ")][2:]
    documented = {line.strip("| ").partition(" | ")[0]: figures(line) for line in rows}
    assert documented == {FAULTS[kind][0]: expected(scenario.name, kind) for kind in kinds}


def test_every_exception_is_one_of_a_fault_that_the_scenario_has() -> None:
    assert set(USUAL) == set(NAMED)
    for name, exceptions in EXCEPTIONS.items():
        faults = [fault for faults in exceptions for fault in faults]
        assert len(faults) == len(set(faults)), name
        assert set(faults) <= set(NAMED[name].kinds or KINDS), name
        assert USUAL[name] not in exceptions.values(), name


def test_no_cell_starts_a_second_build_for_one_step() -> None:
    for scenario in SCENARIOS:
        allowed = 1 + int(scenario.inputs.get("retries", "0"))
        for kind in scenario.kinds or KINDS:
            _, once, _, always = expected(scenario.name, kind)
            assert max(once, always) <= allowed, (scenario.name, kind)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_table_explains_why_a_build_stays_and_only_where_one_does(scenario: Scenario) -> None:
    stays = [
        kind for kind in scenario.kinds or KINDS if "still building" in "".join(map(str, expected(scenario.name, kind)))
    ]
    assert bool(stays) is bool(scenario.stays)
    # The page wraps its lines.
    assert scenario.stays in " ".join(section(scenario.name).split())


class TestBrokenPromises:
    """The matrix proves nothing unless its checks notice what they are for."""

    def broken(self, name: str, change: Callable[[Stormkit], object], **outputs: str) -> list[str]:
        """What is found in a run of `name` without a fault, after `change` and with those outputs."""
        cell = Cell(scenario=NAMED[name], kind=FaultKind.SLOW, always=False)
        with Stormkit() as stormkit:
            prepare(stormkit)
            deployed = stormkit.add_deployment(BRANCH)
            change(stormkit)
            ran = RunResult(
                exit_code=0 if outputs.get("status", "success") == "success" else 1,
                outputs={**dict.fromkeys(OUTPUTS, ""), "status": "success", "deployment-id": deployed.id, **outputs},
                log="",
                builds=stormkit.builds,
                requests=1,
                seconds=1.0,
                left_running=tuple(
                    each.id for each in stormkit.deployments if int(each.id) > int(OLD) and each.status == "running"
                ),
            )
            return violations(cell, ran, stormkit)

    def test_none_is_found_where_none_is_broken(self) -> None:
        assert self.broken("trigger", lambda stormkit: None) == []

    def test_a_second_deployment(self) -> None:
        assert "2 deployments for one step" in self.broken("trigger", lambda stormkit: stormkit.add_deployment(BRANCH))

    def test_a_build_that_is_left_running(self) -> None:
        found = self.broken("poll", lambda stormkit: stormkit.add_deployment(BRANCH, "running"))
        assert "left 8245 running without saying so" in found

    def test_a_build_that_is_left_running_where_the_document_explains_none(self) -> None:
        found = self.broken("publish", lambda stormkit: stormkit.add_deployment(BRANCH, "running"))
        assert "left 8245 running, which the document does not explain" in found

    def test_an_unqueued_deployment_that_is_left_running(self) -> None:
        def leave(stormkit: Stormkit) -> None:
            stormkit.fault("trigger", FaultKind.UNQUEUED_500)
            requests.post(f"{stormkit.url}/v1/deploy", json={}, headers={"Authorization": ENV_KEY}, timeout=5)

        assert "left 8245 running without saying so" in self.broken("trigger", leave)

    @pytest.mark.parametrize(
        ("outputs", "found"),
        [
            ({"deployment-id": "8241", "published": "true"}, []),
            ({"published": "true"}, ["reported a deployment as live that is not"]),
            ({"deployment-id": "8242"}, ["reported a success without a successful build"]),
            ({"status": "stopped", "reason": "Stopped."}, ["reported a stop without a stopped deployment"]),
            ({"deleted": "1"}, ["reported 1 deletions instead of 0"]),
            ({"status": "failed"}, ["no reason given"]),
            ({"status": "cancelled", "reason": "Cancelled."}, ["exit code 1 with status cancelled"]),
        ],
    )
    def test_outputs_that_are_not_so(self, outputs: dict[str, str], found: list[str]) -> None:
        assert self.broken("trigger", lambda stormkit: None, **outputs) == found

    def test_a_change_of_what_is_live(self) -> None:
        def publish(stormkit: Stormkit) -> None:
            stormkit.add_deployment(BRANCH, published=True)

        assert "changed the live deployment" in self.broken("stop", publish)

    def test_a_touched_deployment_of_another_branch(self) -> None:
        def stop(stormkit: Stormkit) -> None:
            url = f"{stormkit.url}/v1/deployments/{OTHER_BRANCH}/stop"
            requests.post(url, json={}, headers={"Authorization": ENV_KEY}, timeout=5)

        assert self.broken("trigger", stop) == ["changed another branch's deployment"]

    def test_a_run_that_comes_to_something_else_than_expected(self) -> None:
        cell = Cell(scenario=NAMED["stop"], kind=FaultKind.ANSWER_LOST, always=False)
        ran = run(cell)
        assert differences(cell, replace(ran, violations=("two builds",))) == ["stop-answer-lost-once: two builds"]
        assert differences(cell, replace(ran, builds=3)) == [
            "stop-answer-lost-once: stopped with 3 builds, expected stopped with 0"
        ]
