"""A representative part of the fault matrix, compared with docs/reliability.md, which the whole matrix wrote."""

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

REPRESENTATIVE_FAULTS = (
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
SCENARIO_BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


def section(name: str) -> str:
    """The section of the document about a scenario."""
    return (
        DOCUMENT.read_text(encoding="utf-8")
        .partition(f"\n## {SCENARIO_BY_NAME[name].title}\n")[2]
        .partition("\n## ")[0]
    )


def figures(line: str) -> tuple[str, int, str, int]:
    """Outcome and builds of a table's row, for a fault that happens once and one that happens always."""
    cells = line.strip("| ").split(" | ")
    return cells[1], int(cells[2]), cells[5], int(cells[6])


@pytest.mark.parametrize(("name", "kind"), REPRESENTATIVE_FAULTS, ids=str)
def test_a_run_ends_as_expected_and_documented(name: str, kind: FaultKind) -> None:
    once, always = (Cell(scenario=SCENARIO_BY_NAME[name], kind=kind, always=always) for always in (False, True))
    generation = SCENARIO_BY_NAME[name].generations[-1]
    runs = [run(once, generation), run(always, generation)]
    assert differences(once, runs[0]) == []
    assert differences(always, runs[1]) == []
    (documented,) = (line for line in section(name).splitlines() if line.startswith(f"| {FAULTS[kind][0]} |"))
    # The columns of requests and seconds are left out because they vary with the pauses between polls.
    assert [figures(row(kind, *runs))] == [figures(documented)]


@pytest.mark.parametrize("generation", [Generation.OLDER, Generation.APRIL])
@pytest.mark.parametrize("name", ["trigger", "publish", "retry", "stop"])
def test_an_older_server_leads_to_the_same_result(name: str, generation: Generation) -> None:
    cell = Cell(scenario=SCENARIO_BY_NAME[name], kind=FaultKind.ANSWER_LOST, always=False)
    assert differences(cell, run(cell, generation)) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_the_document_shows_what_is_expected_of_every_cell(scenario: Scenario) -> None:
    kinds = scenario.kinds or KINDS
    rows = [line for line in section(scenario.name).splitlines() if line.startswith("| ")][2:]
    documented = {line.strip("| ").partition(" | ")[0]: figures(line) for line in rows}
    assert documented == {FAULTS[kind][0]: expected(scenario.name, kind) for kind in kinds}


def test_every_exception_is_about_a_fault_of_its_scenario() -> None:
    assert set(USUAL) == set(SCENARIO_BY_NAME)
    for name, exceptions in EXCEPTIONS.items():
        faults = [fault for faults in exceptions for fault in faults]
        assert len(faults) == len(set(faults)), name
        assert set(faults) <= set(SCENARIO_BY_NAME[name].kinds or KINDS), name
        assert USUAL[name] not in exceptions.values(), name


def test_no_cell_starts_more_builds_than_the_step_allows() -> None:
    for scenario in SCENARIOS:
        allowed = 1 + int(scenario.inputs.get("retries", "0"))
        for kind in scenario.kinds or KINDS:
            _, once, _, always = expected(scenario.name, kind)
            assert max(once, always) <= allowed, (scenario.name, kind)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_table_explains_builds_left_running_if_and_only_if_there_are_some(scenario: Scenario) -> None:
    stays = [
        kind for kind in scenario.kinds or KINDS if "still building" in "".join(map(str, expected(scenario.name, kind)))
    ]
    assert bool(stays) is bool(scenario.stays)
    # Lines of the document are wrapped.
    assert scenario.stays in " ".join(section(scenario.name).split())


class TestViolations:
    """The matrix's checks find every kind of violation."""

    def violations_of(self, name: str, change: Callable[[Stormkit], object], **outputs: str) -> list[str]:
        """The violations found in a run of scenario `name` without a fault, after `change` and with these outputs."""
        cell = Cell(scenario=SCENARIO_BY_NAME[name], kind=FaultKind.SLOW, always=False)
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
                    deployment.id
                    for deployment in stormkit.deployments
                    if int(deployment.id) > int(OLD) and deployment.status == "running"
                ),
            )
            return violations(cell, ran, stormkit)

    def test_a_clean_run_has_no_violation(self) -> None:
        assert self.violations_of("trigger", lambda stormkit: None) == []

    def test_a_second_deployment_is_a_violation(self) -> None:
        assert "2 deployments for one step" in self.violations_of(
            "trigger", lambda stormkit: stormkit.add_deployment(BRANCH)
        )

    def test_a_build_left_running_without_saying_so_is_a_violation(self) -> None:
        found = self.violations_of("poll", lambda stormkit: stormkit.add_deployment(BRANCH, "running"))
        assert "left 8245 running without saying so" in found

    def test_a_build_left_running_without_an_explanation_in_the_document_is_a_violation(self) -> None:
        found = self.violations_of("publish", lambda stormkit: stormkit.add_deployment(BRANCH, "running"))
        assert "left 8245 running, which the document does not explain" in found

    def test_an_unqueued_deployment_left_running_is_a_violation(self) -> None:
        def leave(stormkit: Stormkit) -> None:
            stormkit.fault("trigger", FaultKind.UNQUEUED_500)
            requests.post(f"{stormkit.url}/v1/deploy", json={}, headers={"Authorization": ENV_KEY}, timeout=5)

        assert "left 8245 running without saying so" in self.violations_of("trigger", leave)

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
    def test_outputs_that_contradict_the_server_are_violations(self, outputs: dict[str, str], found: list[str]) -> None:
        assert self.violations_of("trigger", lambda stormkit: None, **outputs) == found

    def test_a_change_of_the_live_deployment_is_a_violation(self) -> None:
        def publish(stormkit: Stormkit) -> None:
            stormkit.add_deployment(BRANCH, published=True)

        assert "changed the live deployment" in self.violations_of("stop", publish)

    def test_a_touched_deployment_of_another_branch_is_a_violation(self) -> None:
        def stop(stormkit: Stormkit) -> None:
            url = f"{stormkit.url}/v1/deployments/{OTHER_BRANCH}/stop"
            requests.post(url, json={}, headers={"Authorization": ENV_KEY}, timeout=5)

        assert self.violations_of("trigger", stop) == ["changed another branch's deployment"]

    def test_a_run_that_differs_from_what_is_expected_is_a_difference(self) -> None:
        cell = Cell(scenario=SCENARIO_BY_NAME["stop"], kind=FaultKind.ANSWER_LOST, always=False)
        ran = run(cell)
        assert differences(cell, replace(ran, violations=("two builds",))) == ["stop-answer-lost-once: two builds"]
        assert differences(cell, replace(ran, builds=3)) == [
            "stop-answer-lost-once: stopped with 3 builds, expected stopped with 0"
        ]
