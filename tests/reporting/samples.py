"""Sample results and rows for the golden files, from which the documentation's pictures are drawn."""

from datetime import UTC, datetime, timedelta

from stormkit_action import result as results
from stormkit_action.event import Run
from stormkit_action.reporting.rows import Row, State, row_of
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.models import Commit, Deployment, LogStep, Status, UploadSize

NOW = datetime(2025, 3, 18, 12, 21, 0, tzinfo=UTC)
SHA = "16ab41e8c9d2f0b7a3e5d4c6b8a9f0e1d2c3b4a5"
EARLIER_SHA = "9f3c2d7b1a0e4f5c6d8b7a9e0f1c2d3b4a5e6f70"
RUN = "https://github.com/octocat/hello-world/actions/runs/13912345678/attempts/1"
DASHBOARD = "https://app.stormkit.io"

# Titles, texts and durations are Stormkit's own; the build command is npm's (recorded: restart-after-failure).
FAILING_OUTPUT = """> hello-world@1.0.0 build
> sh build.sh
compiling 12 modules
src/app.ts(3,7): error TS2322: Type 'string' is not assignable to type 'number'.
exit status 2

"""

STEPS = (
    LogStep(title="checkout feature/greeting", message="", ok=True, duration=2.0),
    LogStep(title="mise install", message="", ok=True, duration=0.0),
    LogStep(title="node --version", message="", ok=True, duration=0.0),
    LogStep(title="environment variables", message="", ok=True, duration=0.0),
    LogStep(title="npm install", message="", ok=True, duration=12.0),
    LogStep(title="npm run build", message="", ok=True, duration=27.0),
    LogStep(title="deploy", message="", ok=True, duration=0.0),
)
# The title of a status check is its command, and `deploy` takes as long as the checks (recorded: status-checks).
CHECKS = (LogStep(title="npx playwright test", message="", ok=True, duration=9.0),)
CHECKED_STEPS = (*STEPS[:-1], STEPS[-1]._replace(duration=9.0))

HOSTILE = (
    "@octocat @acme/admins &#64;octocat &commat;octocat <img src=x onerror=alert(1)> <!-- stormkit-action comment"
    " stormkit --> --> | a | b | `code` ``` ~~~ *bold* _it_ ~~gone~~ [x](https://evil.example) ![x](//evil.example)"
    " #12 GH-34 octocat/hello-world#56 octocat/hello-world@16ab41e8c9 16ab41e8c9d2f0b7 https://evil.example"
    " www.evil.example :tada: $x^2$ \\ \u202eright to left\u202c \u200bzero\u200bwidth \x1b[31mred\x1b[0m \ud800\r\n"
    "::error::x ##[error]y </details></table><script>alert(1)</script> %%{init: {}}%% \n```\n# heading\n- [ ] task\n"
) + "long " * 40_000


def _row(state: State, **values: object) -> Row:
    row = Row(
        label="hello-world / production",
        state=state,
        run_id=13912345678,
        job="preview",
        env_id="305",
        deployment_id="8241",
        branch="feature/greeting",
        sha=SHA,
        details_url=f"{DASHBOARD}/apps/1510/environments/305/deployments/8241",
        run_url=RUN,
        updated=int(NOW.timestamp()),
    )
    return row._replace(**values)  # type: ignore[arg-type]


def _site(label: str, state: State, deployment_id: int, **values: object) -> Row:
    return _row(
        state,
        label=label,
        deployment_id=str(deployment_id),
        **{"details_url": f"{DASHBOARD}/apps/1510/environments/305/deployments/{deployment_id}", **values},
    )


URL = "https://hello-world--8241.stormkit.dev"
GOOD = {"good_url": "https://hello-world--8239.stormkit.dev", "good_sha": EARLIER_SHA}
USUAL = {"usual": 45, "ready_at": int(NOW.timestamp()) + 45}
FAILED = _row(
    State.FAILED,
    duration=19,
    reason="The build of deployment 8241 failed in npm run build: exit status 2",
    step="npm run build",
    tail=FAILING_OUTPUT.rstrip(),
    **GOOD,
)


def _late(number: int) -> str:
    return f"Ran out of time: deployment {number} had not ended after 30m 00s; it was left running (on-timeout: leave)."


SITES = (
    _site("blog", State.BUILDING, 8243, usual=200, ready_at=int(NOW.timestamp()) + 100, **GOOD),
    _site("docs", State.READY, 8242, duration=38, preview_url="https://docs--8242.stormkit.dev"),
    FAILED._replace(
        label="shop",
        deployment_id="8244",
        reason="The build of deployment 8244 failed in npm run build: exit status 2",
        good_url="https://shop--8230.stormkit.dev",
    ),
    _site("status", State.READY, 8245, duration=12, preview_url="https://status--8245.stormkit.dev", live=True),
)

EVERY_STATE = (
    *SITES,
    _site(
        "about",
        State.STOPPED,
        8246,
        duration=8,
        reason="Deployment 8246 was stopped by hand or by another program.",
        **GOOD,
    ),
    _site("admin", State.TIMED_OUT, 8247, duration=1800, reason=_late(8247), **GOOD),
    _site("api", State.CANCELLED, 8248, duration=15, reason="The job was cancelled and deployment 8248 was stopped."),
    _site("events", State.SKIPPED, 8249, sha="", details_url="", reason="The pull request is from a fork."),
    _site("jobs", State.REMOVED, 8250, sha="", details_url=""),
)

COMMENTS: dict[str, tuple[Row, ...]] = {
    "building": (_row(State.BUILDING, **USUAL),),
    "building-first": (_row(State.BUILDING, sha=""),),
    "building-again": (_row(State.BUILDING, **USUAL, **GOOD),),
    "ready": (_row(State.READY, duration=42, preview_url=URL),),
    "ready-with-warning": (
        _row(
            State.READY,
            duration=42,
            preview_url=URL,
            warning="Commit 9f3c2d7 was expected, 16ab41e was built: the branch moved on. It was not published.",
        ),
    ),
    "live": (_row(State.READY, duration=42, preview_url=URL, live=True),),
    "failed": (FAILED,),
    "stopped": (
        _row(State.STOPPED, duration=8, reason="Deployment 8241 was stopped by hand or by another program.", **GOOD),
    ),
    "timed-out": (_row(State.TIMED_OUT, duration=1800, reason=_late(8241), **GOOD),),
    "cancelled": (_row(State.CANCELLED, duration=15, reason="The job was cancelled and deployment 8241 was stopped."),),
    "skipped": (
        _row(
            State.SKIPPED,
            sha="",
            details_url="",
            deployment_id="",
            reason="A pull request from a fork is never deployed.",
        ),
    ),
    "removed": (_row(State.REMOVED, sha="", details_url=""),),
    "several": SITES,
    "every-state": EVERY_STATE,
}


def _deployment(**values: object) -> Deployment:
    deployment = Deployment(
        id="8241",
        status=Status.SUCCESS,
        branch="feature/greeting",
        commit=Commit(sha=SHA, author="Mona Lisa", message="Greet in the visitor's language"),
        app_name="hello-world",
        env_id="305",
        env_name="production",
        preview_url=URL,
        details_path="/apps/1510/environments/305/deployments/8241",
        duration=42.0,
        created_at=NOW - timedelta(seconds=42),
        stopped_at=NOW,
        published=False,
        logs=STEPS,
        upload=UploadSize(client=204_800, server=1_482_000, serverless=0),
    )
    return deployment._replace(**values)  # type: ignore[arg-type]


def _result(deployment: Deployment | None = None, **values: object) -> DeploymentResult:
    result = DeploymentResult(
        status=Outcome.SUCCESS,
        label="hello-world / production",
        env_id="305",
        deployment_id=deployment.id if deployment else "",
        branch="feature/greeting",
        expected_sha=SHA,
        deployment=deployment,
        dashboard_url=DASHBOARD,
        elapsed=44.0,
    )
    return result._replace(**values)  # type: ignore[arg-type]


FAILING_STEPS = (*STEPS[:5], STEPS[5]._replace(message=FAILING_OUTPUT, ok=False, duration=4.0))
FAILED_RESULT = _result(
    _deployment(status=Status.FAILED, duration=19.0, logs=FAILING_STEPS, upload=None),
    status=Outcome.FAILED,
    reason="The build of deployment 8241 failed in npm run build: exit status 2",
)
HOSTILE_STEPS = tuple(
    LogStep(title=title, message="long\n" * 40_000 + HOSTILE[:900], ok=index % 2 == 0, duration=duration)
    for index, (title, duration) in enumerate(
        (
            (HOSTILE, 3.0),
            ("section title: %%{init: {}}%% ```", 0.0),
            ('click a href "javascript:alert(1)"\ngantt', 0.001),
            ("---\n2024-01-01 :done, a, 1d", 12.0),
            ("", 3600.0),
            ("\u05e9\u05dc\u05d1 \u202e\u05e2\u05d1\u05e8\u05d9", 60.0),
        )
    )
)

HOSTILE_RESULT = _result(
    _deployment(status=Status.FAILED, commit=Commit(sha=HOSTILE), logs=HOSTILE_STEPS, duration=1e300, upload=None),
    status=Outcome.FAILED,
    label=HOSTILE,
    branch=HOSTILE,
    reason=HOSTILE,
    warning=HOSTILE,
)

SUMMARIES: dict[str, Result] = {
    "ready": results.of_deployments((_result(_deployment(logs=CHECKED_STEPS, status_checks=CHECKS, duration=51.0)),)),
    "failed": results.of_deployments((FAILED_RESULT,)),
    "several": results.of_deployments(
        (
            _result(_deployment(), label="docs"),
            FAILED_RESULT._replace(label="shop"),
            _result(_deployment(id="8245", published=True, logs=()), label="status", live=True),
            _result(None, label="blog", status=Outcome.FAILED, reason="Stormkit knows no environment 999."),
        )
    ),
    "running": results.of_deployments(
        (_result(_deployment(status=Status.RUNNING, duration=0.0, logs=(), upload=None), status=Outcome.RUNNING),)
    ),
    "removed": results.of_deployments((_result(removed=True, deleted=3),)),
    "skipped": results.skipped("A pull request from a fork is never deployed."),
    "error": results.failed(
        "Stormkit refused the API key (403).\nCreate one under Your App → Environment → Config → Other → API Keys,"
        " and save it as a repository secret."
    ),
    "list": results.of_listing(
        (
            _result(_deployment(published=True), live=True),
            _result(_deployment(id="8240"), status=Outcome.STOPPED),
            FAILED_RESULT._replace(deployment_id="8239"),
            _result(_deployment(id="8238", status=Status.RUNNING, duration=0.0), status=Outcome.RUNNING),
        )
    ),
    "list-empty": results.of_listing(()),
    "hostile": results.of_deployments((HOSTILE_RESULT,)),
    "hostile-error": results.failed(HOSTILE),
    "hostile-list": results.of_listing((HOSTILE_RESULT,)),
}

# The first row got its foreign text through row_of; the second looks as if it had been edited by hand.
COMMENTS["hostile"] = (
    row_of(HOSTILE_RESULT, run=Run(url=RUN), now=NOW)._replace(good_url=URL, good_sha="@octocat"),
    _row(State.READY, label="2", sha="@octocat", warning=HOSTILE[:300], preview_url=URL),
)
