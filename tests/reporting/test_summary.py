"""The job summary's markdown, and the list in the log."""

import re

import pytest

from stormkit_action import result as results
from stormkit_action.reporting import summary, table
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import Deployment, LogStep, Status
from tests.reporting import golden
from tests.reporting.samples import FAILED_RESULT, HOSTILE, HOSTILE_RESULT, HOSTILE_STEPS, SUMMARIES


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_summary_looks_like_its_golden_file(name: str) -> None:
    golden.check(f"summary-{name}", summary.render(SUMMARIES[name]))


def _many(count: int, pattern: DeploymentResult) -> tuple[DeploymentResult, ...]:
    return tuple(pattern._replace(label=f"site-{number}", deployment_id=str(9000 - number)) for number in range(count))


def test_many_deployments_are_cut_and_what_is_left_out_is_counted() -> None:
    text = summary.render(results.of_deployments(_many(300, FAILED_RESULT)))
    assert "200 more deployments are not shown." in text
    assert text.count("| Steps of ") == summary.MAX_TIMELINES
    assert "290 more timelines are not shown." in text
    assert text.count("<details open>") == summary.MAX_FAILURES
    assert "280 more failures are not shown." in text


@pytest.mark.parametrize("listed", [False, True])
def test_a_summary_never_exceeds_github_s_limit(listed: bool) -> None:
    pattern = HOSTILE_RESULT
    assert pattern.deployment is not None
    long = f"/{'x' * 1900}"
    deployment = pattern.deployment._replace(preview_url=f"https://evil.example{long}", details_path=long)
    many = _many(1000, pattern._replace(deployment=deployment, branch="\U0001f9ea" * 300, reason="&" * 300))
    text = summary.render(results.of_listing(many) if listed else results.of_deployments(many))
    assert len(text.encode()) <= 1024 * 1024
    assert "left out" in text or "not shown" in text


def test_without_a_log_there_is_no_timeline() -> None:
    deployment = SUMMARIES["ready"].deployments[0].deployment
    assert deployment is not None
    bare = SUMMARIES["ready"].deployments[0]._replace(deployment=deployment._replace(logs=(), status_checks=()))
    assert "Steps of" not in summary.render(results.of_deployments((bare,)))


def test_a_failure_without_a_log_shows_what_stormkit_says() -> None:
    assert FAILED_RESULT.deployment is not None
    deployment = FAILED_RESULT.deployment._replace(logs=(), failure_summary="npm error code 1")
    text = summary.render(results.of_deployments((FAILED_RESULT._replace(deployment=deployment),)))
    assert "the last lines of the build" in text
    assert "npm error code 1" in text


def test_the_tail_of_a_log_of_megabytes_is_short() -> None:
    assert FAILED_RESULT.deployment is not None
    step = LogStep(title="npm run build", message="line of a log\n" * 1_000_000 + "the end", ok=False, duration=1.0)
    deployment = FAILED_RESULT.deployment._replace(logs=(step,))
    text = summary.render(results.of_deployments((FAILED_RESULT._replace(deployment=deployment),)))
    assert "the end" in text
    assert len(text) < 10_000


def test_a_thousand_listed_deployments_are_a_table_in_the_log_too() -> None:
    pattern = SUMMARIES["list"].deployments[0]
    lines = table.list_as_text(_many(1000, pattern))
    assert len(lines) == table.MAX_LISTED + 2
    assert lines[0].split() == ["Deployment", "Status", "Created", "(UTC)", "Commit", "Branch", "Preview"]
    assert re.split(r"\s{2,}", lines[1]) == [
        "9000",
        "Live, 42s",
        "2025-03-18 12:20",
        "16ab41e",
        "feature/greeting",
        "https://hello-world--8241.stormkit.dev",
    ]
    assert lines[-1] == "500 older deployments are not shown. Name a branch to list fewer."
    assert f"\n\n{lines[-1]}" in summary.render(results.of_listing(_many(1000, pattern)))


def test_an_empty_list_says_so() -> None:
    assert table.list_as_text(()) == ["There are no deployments."]


def test_only_a_success_has_a_preview_to_open() -> None:
    for outcome in Outcome:
        listed = SUMMARIES["list"].deployments[0]._replace(status=outcome)
        assert ("https://hello-world--8241" in table.list_as_text([listed])[1]) == (outcome is Outcome.SUCCESS)


def test_a_hostile_branch_is_one_column_of_the_log() -> None:
    lines = table.list_as_text([HOSTILE_RESULT._replace(branch=HOSTILE)])
    assert len(lines) == 2
    assert "\n" not in lines[1]
    assert len(lines[1]) < 200


def _steps(*durations: float, title: str = "step") -> tuple[LogStep, ...]:
    return tuple(LogStep(title=title, message="", ok=True, duration=seconds) for seconds in durations)


_BAR = '<code aria-hidden="true">'


def _rows_of(*steps: LogStep, checks: tuple[LogStep, ...] = ()) -> list[str]:
    """The rows of the table that shows the steps of a build."""
    deployment = Deployment(id="8241", status=Status.SUCCESS, logs=steps, status_checks=checks)
    text = summary.render(
        results.of_deployments((FAILED_RESULT._replace(deployment=deployment, status=Outcome.SUCCESS),))
    )
    lines = text.splitlines()
    begins = [number for number, line in enumerate(lines) if line.startswith("| Steps of ")]
    if not begins:
        return []
    table_lines = lines[begins[0] + 2 :]
    return table_lines[: table_lines.index("")] if "" in table_lines else table_lines


def test_steps_and_status_checks_share_one_scale() -> None:
    rows = _rows_of(*_steps(5.0, 10.0, title="npm install"), checks=_steps(5.0, title="npm run e2e"))
    assert rows == [
        f"| ✅ npm install, 5s | {_BAR}█████···············</code> |",
        f"| ✅ npm install, 10s | {_BAR}·····██████████·····</code> |",
        f"| ✅ Status check: npm run e2e, 5s | {_BAR}···············█████</code> |",
    ]


def test_a_step_whose_own_duration_is_unknown_has_no_bar() -> None:
    """Real servers add the time of the status checks to the step before them."""
    rows = _rows_of(*_steps(4.0), *_steps(8.0, title="deploy"), checks=_steps(8.0, title="npm run e2e"))
    assert rows == [
        f"| ✅ step, 4s | {_BAR}███████·············</code> |",
        f"| ✅ deploy | {_BAR}····················</code> |",
        f"| ✅ Status check: npm run e2e, 8s | {_BAR}·······█████████████</code> |",
    ]


def test_the_bars_of_several_builds_share_one_scale() -> None:
    builds = [FAILED_RESULT._replace(label=name, status=Outcome.SUCCESS) for name in ("docs", "shop")]
    times = {"docs": 40.0, "shop": 10.0}
    for place, (name, seconds) in enumerate(times.items()):
        deployment = Deployment(id="8241", status=Status.SUCCESS, logs=_steps(seconds))
        builds[place] = builds[place]._replace(label=name, deployment=deployment)
    text = summary.render(results.of_deployments(tuple(builds)))
    assert f"| ✅ step, 40s | {_BAR}████████████████████</code> |" in text
    assert f"| ✅ step, 10s | {_BAR}█████···············</code> |" in text


def test_a_failed_step_is_marked_in_words_too() -> None:
    assert _rows_of(_steps(5.0)[0]._replace(ok=False))[0].startswith("| ❌ failed: step, 5s | ")


@pytest.mark.parametrize("durations", [(), (0.0,), (0.0, 0.0), (24 * 3600 + 1.0,), (1e300, 1e300)])
def test_implausible_durations_are_not_drawn(durations: tuple[float, ...]) -> None:
    assert _rows_of(*_steps(*durations)) == []


def test_steps_beyond_the_limit_share_the_last_row() -> None:
    rows = _rows_of(*_steps(*[1.0] * 100))
    assert len(rows) == summary.MAX_STEPS
    assert rows[-1].startswith(f"| ✅ {100 - summary.MAX_STEPS + 1} more steps, 1m&nbsp;01s | ")


@pytest.mark.parametrize("share", [1e-9, 0.001, 1.0])
def test_every_step_has_a_visible_bar_of_full_width(share: float) -> None:
    for row in _rows_of(*_steps(1.0, share, 1.0)):
        bar = re.findall("<code[^>]*>(.*)</code>", row)[0]
        assert len(bar) == summary.BAR_CHARACTERS
        assert "█" in bar


@pytest.mark.threat("A hostile build log")
def test_a_hostile_title_stays_one_cell() -> None:
    for row in _rows_of(*(step._replace(duration=1.0) for step in HOSTILE_STEPS)):
        assert len(re.findall(r"(?<!\\)\|", row)) == 3
        assert "<script" not in row
