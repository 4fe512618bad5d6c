"""A representative part of the fault matrix, and the document that the whole of it wrote."""

from dataclasses import replace

import pytest

from sandbox.stormkit.server import FaultKind, Generation
from tools.reliability.document import DOCUMENT, FAULTS, differences, row
from tools.reliability.expected import EXPECTED
from tools.reliability.running import run
from tools.reliability.scenarios import KINDS, SCENARIOS, Cell

SOME = (
    ("trigger", FaultKind.ANSWER_LOST),
    ("trigger", FaultKind.NEVER_ARRIVED),
    ("trigger", FaultKind.GHOST),
    ("trigger", FaultKind.SLOW),
    ("lost-list", FaultKind.HTML_502),
    ("lost-list", FaultKind.FORBIDDEN_403),
    ("poll", FaultKind.GARBAGE),
    ("read", FaultKind.UNKNOWN_STATUS),
    ("publish", FaultKind.ERROR_500),
    ("publish", FaultKind.ANSWER_LOST),
    ("restart", FaultKind.ANSWER_LOST),
    ("restart", FaultKind.NOT_FOUND_404),
    ("timeout-stop", FaultKind.ANSWER_LOST),
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
    runs = [run(once), run(always)]
    assert [each for cell, ran in zip((once, always), runs, strict=True) for each in differences(cell, ran)] == []
    (documented,) = (line for line in section(name).splitlines() if line.startswith(f"| {FAULTS[kind][0]} |"))
    # Requests and seconds depend on the pauses between polls too.
    assert [figures(row(kind, *runs))] == [figures(documented)]


@pytest.mark.parametrize("name", ["trigger", "publish", "restart", "stop"])
def test_an_older_server_comes_to_the_same(name: str) -> None:
    cell = Cell(scenario=NAMED[name], kind=FaultKind.ANSWER_LOST, always=False)
    assert differences(cell, run(cell, Generation.OLDER)) == []


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_cell_is_expected_and_documented(scenario) -> None:
    kinds = scenario.kinds or KINDS
    assert set(EXPECTED[scenario.name]) == set(kinds)
    rows = [line for line in section(scenario.name).splitlines() if line.startswith("| ")][2:]
    told = {line.strip("| ").partition(" | ")[0]: figures(line) for line in rows}
    assert told == {FAULTS[kind][0]: EXPECTED[scenario.name][kind] for kind in kinds}


def test_no_cell_starts_a_second_build_for_one_step() -> None:
    for name, kinds in EXPECTED.items():
        most = 2 if name == "restart" else 1
        assert all(cell[1] <= most and cell[3] <= most for cell in kinds.values())


def test_a_violation_is_noticed() -> None:
    """The matrix could not fail if its checks saw nothing."""
    cell = Cell(scenario=NAMED["stop"], kind=FaultKind.ANSWER_LOST, always=False)
    ran = run(cell)
    assert differences(cell, replace(ran, violations=("two builds",))) == ["stop-answer-lost-once: two builds"]
    assert differences(cell, replace(ran, builds=3)) == [
        "stop-answer-lost-once: stopped with 3 builds, not stopped with 0"
    ]
