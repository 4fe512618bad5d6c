import re
from dataclasses import replace

import pytest

from stormkit_action.reporting.timeline import BARS, gantt
from stormkit_action.stormkit.models import Deployment, LogStep, Status
from tests.reporting.samples import CHECKS, HOSTILE, HOSTILE_STEPS, STEPS

BUILT = Deployment(id="8241", status=Status.SUCCESS, logs=STEPS)

# What a line of the diagram may be. Anything else would be a hostile name that became syntax.
LINES = re.compile(
    r"gantt|accTitle: [^:;#%{}<>`]*|accDescr: [^:;#%{}<>`]*|title [^:;#%{}<>`]*|dateFormat YYYY-MM-DD"
    r"|axisFormat (%M:%S|%H:%M)|tickInterval \d+(second|minute|hour)|todayMarker off|section (Build|Status checks)"
    r"|\d+\. [^:;#%{}<>`]*:(done|crit), (2000-01-01, )?\d+ms"
)


def _steps(*durations: float, title: str = "step") -> tuple[LogStep, ...]:
    return tuple(LogStep(title=title, message="", ok=True, duration=each) for each in durations)


def _inside(text: str) -> list[str]:
    lines = text.split("\n")
    assert lines[0] == "```mermaid"
    assert lines[-1] == "```"
    return lines[1:-1]


def test_steps_and_checks_follow_each_other() -> None:
    text = gantt("docs", replace(BUILT, status_checks=CHECKS))
    assert [line for line in _inside(text) if line.startswith(("section", *"123456789"))] == [
        "section Build",
        "1. checkout feature/greeting (2s) :done, 2000-01-01, 2400ms",
        "2. npm ci (12s) :done, 12000ms",
        "3. npm run build (21s) :done, 21300ms",
        "4. deploy (6s) :done, 6100ms",
        "section Status checks",
        "5. npx playwright test (9s) :done, 9000ms",
    ]


def test_a_failed_step_is_marked_in_words_too() -> None:
    text = gantt("docs", replace(BUILT, logs=(replace(STEPS[0], ok=False),)))
    assert "1. checkout feature/greeting (2s, failed) :crit, 2000-01-01, 2400ms" in text


@pytest.mark.parametrize("durations", [(), (0.0,), (0.0, 0.0), (24 * 3600 + 1.0,), (1e300, 1e300)])
def test_what_an_axis_cannot_show_is_no_timeline(durations: tuple[float, ...]) -> None:
    assert not gantt("docs", replace(BUILT, logs=_steps(*durations)))


@pytest.mark.parametrize(
    ("seconds", "tick", "axis"),
    [
        (0.01, "1second", "%M:%S"),
        (8, "1second", "%M:%S"),
        (9, "2second", "%M:%S"),
        (42, "10second", "%M:%S"),
        (600, "2minute", "%M:%S"),
        (3599, "10minute", "%M:%S"),
        (3600, "10minute", "%H:%M"),
        (24 * 3600, "4hour", "%H:%M"),
    ],
)
def test_the_axis_fits_the_length(seconds: float, tick: str, axis: str) -> None:
    lines = _inside(gantt("docs", replace(BUILT, logs=_steps(seconds))))
    assert f"tickInterval {tick}" in lines
    assert f"axisFormat {axis}" in lines


def test_too_many_steps_become_one_bar() -> None:
    text = gantt("docs", replace(BUILT, logs=(*_steps(*[1.0] * 499), replace(STEPS[0], ok=False, duration=1.0))))
    bars = [line for line in _inside(text) if line[0].isdigit()]
    assert len(bars) == BARS
    assert bars[-1] == f"{BARS}. 461 more steps (7m 41s, failed) :crit, 461000ms"
    assert len(text) < 50_000


@pytest.mark.parametrize(
    "title",
    [
        HOSTILE,
        "title x",
        "section y",
        "gantt",
        'click a href "javascript:alert(1)"',
        "accDescr: x",
        "accDescr {",
        "2024-01-01",
        "%% comment",
        "%%{init: {'theme': 'dark'}}%%",
        "```\n# out",
        "a : done, 1d",
        "a; b # c",
        "",
        "\r\n\x00\u202e\ud800",
        "---",
    ],
)
def test_a_hostile_name_becomes_no_syntax(title: str) -> None:
    text = gantt(title, replace(BUILT, logs=_steps(1.0, 0.0, title=title), status_checks=_steps(2.0, title=title)))
    assert all(LINES.fullmatch(line) for line in _inside(text))
    assert len([line for line in _inside(text) if line[0].isdigit()]) == 3
    text.encode()


def test_hostile_steps_keep_their_number() -> None:
    bars = [line for line in _inside(gantt("x", replace(BUILT, logs=HOSTILE_STEPS))) if line[0].isdigit()]
    assert len(bars) == len(HOSTILE_STEPS)
