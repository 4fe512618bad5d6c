"""The content of docs/reliability.md, from the results of the whole matrix."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

from sandbox.stormkit.server import FaultKind
from tools.reliability.expected import expected
from tools.reliability.running import RunResult
from tools.reliability.scenarios import KINDS, SCENARIOS, Cell, Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

FAULTS: Mapping[FaultKind, tuple[str, str]] = {
    FaultKind.ANSWER_LOST: ("answer lost", "carried out, and the connection breaks before the answer"),
    FaultKind.NEVER_ARRIVED: ("never arrived", "the connection breaks and nothing is carried out"),
    FaultKind.ERROR_500: ("500", "nothing is carried out; JSON, in Stormkit's own words"),
    FaultKind.HTML_502: ("502, HTML", "nothing is carried out; a proxy's page"),
    FaultKind.UNAVAILABLE_503: ("503, HTML", "nothing is carried out; a proxy's page"),
    FaultKind.BUSY_HEADER: ("429, header", "nothing is carried out; `Retry-After: 3`"),
    FaultKind.BUSY_BODY: ("429, body", 'nothing is carried out; `{"retry": 3}`'),
    FaultKind.FORBIDDEN_403: ("403", "nothing is carried out"),
    FaultKind.NOT_FOUND_404: ("404", "nothing is carried out"),
    FaultKind.SLOW: ("slow", "carried out at once, answered after 45 s"),
    FaultKind.GARBAGE: ("garbage", "carried out; half of the answer's JSON"),
    FaultKind.EMPTY_OBJECT: ("empty object", "carried out; the answer is `{}`"),
    FaultKind.UNKNOWN_STATUS: ("unknown status", "carried out; the status is unknown"),
    FaultKind.LATE: ("late", "the connection breaks, then it is carried out"),
    FaultKind.UNQUEUED_500: ("500, unqueued", "500, and a deployment is stored that never builds"),
    FaultKind.QUEUED_LATE: ("500, queued late", "500, and a deployment is stored that begins to build after 30 s"),
    FaultKind.UNQUEUED_404: ("404, unqueued", "404 about the repository, and a deployment is stored that never builds"),
    FaultKind.GATEWAY_JSON: ("502, JSON", "nothing is carried out; a gateway's JSON, `Retry-After: 60`"),
    FaultKind.GATEWAY_DONE: ("502, JSON, done", "carried out; the same answer"),
    FaultKind.GATEWAY_LATE: ("502, JSON, late", "carried out after 10 s; the same answer"),
    FaultKind.TIMEOUT_503: ("503, timeout", "nothing is carried out; the server's own text"),
    FaultKind.INGRESS_404: ("404, ingress", "nothing is carried out; an ingress's text"),
    FaultKind.WRONG_HOST_404: ("404, HTML", "nothing is carried out; the page of a host that is not the API's"),
    FaultKind.FIREWALL_403: ("403, HTML", "nothing is carried out; a firewall's page"),
    FaultKind.PROXY_407: ("407", "nothing is carried out; a proxy's page"),
    FaultKind.BUSY_DATE: ("429, date", "nothing is carried out; `Retry-After` is a date, 3 s after the answer's own"),
    FaultKind.BUSY_TEXT: ("429, text", "nothing is carried out; text, `X-RateLimit-Reset` in 3 s"),
    FaultKind.EARLY_HINTS: ("103", "carried out; an informational response comes before the answer"),
    FaultKind.TIMEOUT_408: ("408", "nothing is carried out; a proxy's page"),
    FaultKind.MISDIRECTED_421: ("421", "nothing is carried out; a proxy's page"),
    FaultKind.TOO_EARLY_425: ("425", "nothing is carried out; a proxy's page"),
}

BEGINNING = """\
# Reliability

What happens to a deployment when Stormkit, the network or the job fails.

| What fails | What the action does |
| --- | --- |
| the trigger's answer is lost | looks for its deployment for up to 12 seconds and adopts it; triggers again only if \
there is none |
| Stormkit says that the trigger failed | stops the deployment that was stored but never queued, and triggers again |
| a trigger starts a build late, after another one was accepted | stops the second build, at the latest when the first \
one has ended |
| calls before and at the trigger | repeats them for about a minute, or less with a shorter `timeout`; then the step \
fails |
| calls while a build runs | repeats them until `timeout`; only a refusal (401, 402, 403) or a deleted deployment ends \
the wait |
| the answer to a publish, stop, deletion or restart | reads the deployment back and reports what it says |
| the job is cancelled | takes up to 2 seconds to stop the build and 2.5 to report to GitHub; the post step does \
[the rest](how-it-works.md#cancelled-and-killed) |

None of these happened in {runs} runs:

- more builds for a step than `retries` allows, or a build left running without the `reason` saying so
- `success` without a successful build, `stopped` without a stop, `published: true` without being live, or too high
  a number in `deleted`
- an unset output, a failure without a reason, an undocumented exit code, a traceback, or the key in a log, output or
  saved state
- a running or failed deployment published, a published one deleted, a successful one restarted, or another branch's
  deployment changed

## What can still go wrong

A deployment doesn't say which request started it. So:

- If an answer is lost while another workflow triggers the same branch in the same environment, the action may adopt or
  stop that workflow's deployment. Give workflows that deploy the same branch one `concurrency` group.
- If there are more new deployments than lost triggers, nothing is stopped; the log names the candidates.
- If a proxy repeats a trigger and passes on only one of the answers, the second build isn't noticed.
- If the server's database clock is more than a second behind its web server's, a lost trigger's deployment isn't
  recognized, and the branch is triggered again.

## How this is measured

`make reliability` writes this page. It runs the whole program over HTTP against the sandbox's Stormkit, with every
fault in every call: **once**, in the first such call, and **always**. Unless a heading says otherwise, a step ends the
same on servers before v2026.04.17, of that version and after it; the figures are those of the newest. A build takes
20 s of a simulated clock, and `timeout` is 5 minutes. Signals and kills are tested in `tests/e2e`.

<details>
<summary>The faults</summary>

| Fault | What happens to the request |
| --- | --- |
"""

HEAD = """\
| Fault | once: end | builds | requests | after | always: end | builds | requests | after |
| --- | --- | --: | --: | --: | --- | --: | --: | --: |
"""


def page(ran: Mapping[str, RunResult], runs: int) -> str:
    """The whole document. `ran` are the results by the names of their cells."""
    faults = "".join(f"| {name} | {what} |\n" for name, what in FAULTS.values())
    sections = "".join(_section(scenario, ran) for scenario in SCENARIOS)
    return f"{BEGINNING.format(runs=runs)}{faults}\n</details>\n{sections}"


def _section(scenario: Scenario, ran: Mapping[str, RunResult]) -> str:
    rows = [
        row(kind, *(ran[Cell(scenario=scenario, kind=kind, always=always).name] for always in (False, True)))
        for kind in scenario.kinds or KINDS
    ]
    stays = f"\n{wrapped(f'*Still building:* {scenario.stays}')}\n" if scenario.stays else ""
    about = f"\n## {scenario.title}\n\n{wrapped(scenario.about)}\n{stays}"
    return f"{about}\n<details>\n<summary>Each fault</summary>\n\n{HEAD}" + "\n".join(rows) + "\n\n</details>\n"


def wrapped(text: str) -> str:
    """`text` in lines of at most 120 characters."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def row(kind: FaultKind, once: RunResult, always: RunResult) -> str:
    """One row of a scenario's table."""
    return f"| {' | '.join((FAULTS[kind][0], *_figures(once), *_figures(always)))} |"


def _figures(ran: RunResult) -> tuple[str, ...]:
    return ran.end, str(ran.builds), str(ran.requests), f"{ran.seconds:.0f} s"


def differences(cell: Cell, ran: RunResult) -> list[str]:
    """Messages about what differs from the expected result, and about broken promises."""
    once_end, once_builds, always_end, always_builds = expected(cell.scenario.name, cell.kind)
    end, builds = (always_end, always_builds) if cell.always else (once_end, once_builds)
    found = [f"{cell.name}: {violation}" for violation in ran.violations]
    if (ran.end, ran.builds) != (end, builds):
        found.append(f"{cell.name}: {ran.end} with {ran.builds} builds, expected {end} with {builds}")
    return found
