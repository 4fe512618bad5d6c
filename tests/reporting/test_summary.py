import re
from dataclasses import replace

import pytest

from stormkit_action import result as results
from stormkit_action.reporting import listing, summary
from stormkit_action.result import DeploymentResult, Outcome
from stormkit_action.stormkit.models import LogStep
from tests.reporting import golden
from tests.reporting.samples import FAILED_RESULT, HOSTILE, HOSTILE_RESULT, SUMMARIES


@pytest.mark.parametrize("name", SUMMARIES)
def test_each_summary_looks_like_its_golden_file(name: str) -> None:
    golden.check(f"summary-{name}", summary.render(SUMMARIES[name]))


def _many(count: int, pattern: DeploymentResult) -> tuple[DeploymentResult, ...]:
    return tuple(replace(pattern, label=f"site-{number}", deployment_id=str(9000 - number)) for number in range(count))


def test_many_deployments_are_bounded_and_what_is_left_out_is_counted() -> None:
    text = summary.render(results.of_deployments(_many(300, FAILED_RESULT)))
    assert "200 more deployments are not shown." in text
    assert text.count("```mermaid") == summary.TIMELINES
    assert "290 more timelines are not shown." in text
    assert text.count("<details open>") == summary.FAILURES
    assert "280 more failures are not shown." in text


@pytest.mark.parametrize("listed", [False, True])
def test_a_summary_never_exceeds_what_github_takes(listed: bool) -> None:
    pattern = HOSTILE_RESULT
    assert pattern.deployment is not None
    long = f"/{'x' * 1900}"
    deployment = replace(pattern.deployment, preview_url=f"https://evil.example{long}", details_path=long)
    many = _many(1000, replace(pattern, deployment=deployment, branch="\U0001f9ea" * 300, reason="&" * 300))
    text = summary.render(results.of_listing(many) if listed else results.of_deployments(many))
    assert len(text.encode()) <= 1024 * 1024
    assert "left out" in text or "not shown" in text


def test_an_unknown_duration_and_no_log_give_no_timeline() -> None:
    deployment = SUMMARIES["ready"].deployments[0].deployment
    assert deployment is not None
    bare = replace(SUMMARIES["ready"].deployments[0], deployment=replace(deployment, logs=(), status_checks=()))
    assert "mermaid" not in summary.render(results.of_deployments((bare,)))


def test_a_failure_without_a_log_shows_what_stormkit_says() -> None:
    assert FAILED_RESULT.deployment is not None
    deployment = replace(FAILED_RESULT.deployment, logs=(), failure_summary="npm error code 1")
    text = summary.render(results.of_deployments((replace(FAILED_RESULT, deployment=deployment),)))
    assert "the last lines of the build" in text
    assert "npm error code 1" in text


def test_the_tail_of_a_log_of_megabytes_is_short() -> None:
    assert FAILED_RESULT.deployment is not None
    step = LogStep(title="npm run build", message="line of a log\n" * 1_000_000 + "the end", ok=False, duration=1.0)
    deployment = replace(FAILED_RESULT.deployment, logs=(step,))
    text = summary.render(results.of_deployments((replace(FAILED_RESULT, deployment=deployment),)))
    assert "the end" in text
    assert len(text) < 10_000


def test_a_thousand_listed_deployments_are_a_table_in_the_log_too() -> None:
    pattern = SUMMARIES["list"].deployments[0]
    lines = listing.lines(_many(1000, pattern))
    assert len(lines) == listing.SHOWN + 2
    assert lines[0].split() == ["Deployment", "Status", "Created", "(UTC)", "Commit", "Branch", "Preview"]
    assert re.split(r"\s{2,}", lines[1]) == [
        "9000",
        "Live, 42s",
        "2025-03-18 12:20",
        "16ab41e",
        "feature/greeting",
        "https://hello-world--8241.stormkit.dev",
    ]
    assert lines[-1] == "500 older deployments are not shown. The output `result` has all 1000."
    assert f"\n\n{lines[-1]}" in summary.render(results.of_listing(_many(1000, pattern)))


def test_nothing_to_list_is_said() -> None:
    assert listing.lines(()) == ["There are no deployments."]


def test_only_a_success_has_a_preview_to_open() -> None:
    for outcome in Outcome:
        listed = replace(SUMMARIES["list"].deployments[0], status=outcome)
        assert ("https://hello-world--8241" in listing.lines([listed])[1]) == (outcome is Outcome.SUCCESS)


def test_a_hostile_branch_is_one_column_of_the_log() -> None:
    lines = listing.lines([replace(HOSTILE_RESULT, branch=HOSTILE)])
    assert len(lines) == 2
    assert "\n" not in lines[1]
    assert len(lines[1]) < 200
