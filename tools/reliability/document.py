"""Writes docs/reliability.md from a run of the whole matrix."""

from collections.abc import Mapping
from pathlib import Path

from sandbox.stormkit.server import FaultKind
from tools.reliability.expected import expected
from tools.reliability.running import Ran
from tools.reliability.scenarios import KINDS, SCENARIOS, Cell, Scenario

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"

FAULTS: Mapping[FaultKind, tuple[str, str]] = {
    FaultKind.ANSWER_LOST: ("answer lost", "carried out, and the connection breaks before the answer"),
    FaultKind.NEVER_ARRIVED: ("never arrived", "the connection breaks and nothing is carried out"),
    FaultKind.ERROR_500: ("500", "nothing is carried out; JSON, in Stormkit's own words"),
    FaultKind.HTML_502: ("502, HTML", "nothing is carried out; a proxy's page"),
    FaultKind.UNAVAILABLE_503: ("503, HTML", "the same"),
    FaultKind.BUSY_HEADER: ("429, header", "nothing is carried out; `Retry-After: 3`"),
    FaultKind.BUSY_BODY: ("429, body", 'nothing is carried out; `{"retry": 3}`'),
    FaultKind.FORBIDDEN_403: ("403", "nothing is carried out"),
    FaultKind.NOT_FOUND_404: ("404", "nothing is carried out"),
    FaultKind.SLOW: ("slow", "carried out at once, answered after 45 s"),
    FaultKind.GARBAGE: ("garbage", "carried out; half of the answer's JSON"),
    FaultKind.EMPTY_OBJECT: ("empty object", "carried out; the answer is `{}`"),
    FaultKind.UNKNOWN_STATUS: ("unknown status", "carried out; the status is a word that nobody knows"),
    FaultKind.LATE: ("late", "the connection breaks, then it is carried out"),
    FaultKind.GHOST: ("ghost", "500, and a deployment is stored that never builds"),
    FaultKind.QUEUED_LATE: ("500, queued late", "500, and a deployment is stored that begins to build after 30 s"),
    FaultKind.GHOST_404: ("404, ghost", "404 about the repository, and a deployment is stored that never builds"),
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

What the action makes of every fault of every call. **`make reliability` writes this page** from a run of the whole
program over HTTP against the sandbox's Stormkit; it fails when a cell differs from what
`tools/reliability/expected.py` says, or when one of these was violated, in any of {runs} runs:

- never two builds for one step (`retries` allows as many more), and none left running without the `reason` saying so:
  the rows with "still building", and why it is, stand in the tables;
- never a wrong verdict: `success` only when the deployment has succeeded, `stopped` only when it was stopped or
  deleted, `published: true` only when it is live, `deleted` never more than there were;
- all outputs set, with a reason for anything but success; the exit code as documented; no traceback; no key in the
  log, the outputs or the saved state;
- never a running or failed deployment published, a published one deleted, a successful one restarted, or another
  branch's deployment touched.

Each fault is run twice: **once** strikes the first such call, **always** every one. All three generations of servers
come to the same end in every cell, where a heading does not say otherwise; the figures are the newest one's. A build
takes 20 s, `timeout` is 5 minutes.

The program runs in one process with the server and on one clock, which is moved on instead of waited for: the seconds
are what it would have taken. Pauses are random in use; here they are the same in each run. Processes, signals and kills
are tested in `tests/e2e`.

## How it is done

- **A trigger whose answer is lost is never just repeated.** The list of deployments is looked through for up to 12
  seconds for one of this branch that appeared since the trigger was sent and is no auto-deployment. It is adopted. Only
  when there is none, another trigger is sent. When Stormkit itself says that it failed (500 with its own JSON), what it
  has stored and not begun to build would stay `running` for ever: it is stopped before the next trigger.
- **A trigger that arrives late** (the first one, after the second was accepted) is looked for again when the second one
  was accepted and when its build has ended, and stopped.
- **Before and at the trigger the action gives up after about a minute** (sooner with a shorter `timeout`); while a
  build runs it endures everything but 401, 402, 403 and a second 404 in a row until `timeout`.
- **What changes something is confirmed by reading back**: a publish, a stop, a deletion, a restart. The answer decides
  nothing, whether it is an error or a success.
- **A cancel** ends every wait at once, also inside a slow request; the remote stop gets 2 seconds and what is
  told on GitHub 2.5. What could not be confirmed in that time is left to the post step, as is a step that was killed.

## What it can't know

Nothing in a deployment tells which request it came from. So:

- When an answer is lost and, in those very seconds, another workflow triggers the same branch in the same environment,
  its deployment can be adopted as ours. Both build the tip of the branch, and the built commit is compared with the
  expected one as ever. Of deployments created within a second of each other the newest is kept and the others are
  stopped, as a repeated request would look the same. When the answer is a 500, the other workflow's deployment can be
  taken for what could not be queued, and be stopped, as long as its build has not begun. Give workflows that deploy
  the same branch one `concurrency` group.
- Where more has appeared than the triggers in doubt explain, nothing is stopped afterwards; the log names the
  candidates.
- A trigger that is carried out more than 12 seconds after an error was answered to it starts a second build. It is
  stopped as soon as it is found, which is when the build that was waited for has ended at the latest.
- A proxy that repeats a trigger and passes one of the answers on as if nothing had happened is not noticed.
- A server whose database clock is more than a second behind its web server's hides a lost trigger's deployment: it is
  then triggered again.

## The faults

| Fault | What happens to the request |
| --- | --- |
"""

HEAD = """\
| Fault | once: end | builds | requests | after | always: end | builds | requests | after |
| --- | --- | --: | --: | --: | --- | --: | --: | --: |
"""


def page(ran: Mapping[str, Ran], runs: int) -> str:
    """The whole document; `ran` by the cells' names."""
    faults = "".join(f"| {name} | {what} |\n" for name, what in FAULTS.values())
    return BEGINNING.format(runs=runs) + faults + "".join(_section(scenario, ran) for scenario in SCENARIOS)


def _section(scenario: Scenario, ran: Mapping[str, Ran]) -> str:
    rows = [
        row(kind, *(ran[Cell(scenario=scenario, kind=kind, always=always).name] for always in (False, True)))
        for kind in scenario.kinds or KINDS
    ]
    stays = f"\n*Still building:* {scenario.stays}\n" if scenario.stays else ""
    return f"\n## {scenario.title}\n\n{scenario.about}\n{stays}\n{HEAD}" + "\n".join(rows) + "\n"


def row(kind: FaultKind, once: Ran, always: Ran) -> str:
    """One row of a scenario's table."""
    cells = [text for each in (once, always) for text in _figures(each)]
    return f"| {' | '.join((FAULTS[kind][0], *cells))} |"


def _figures(ran: Ran) -> tuple[str, ...]:
    return ran.end, str(ran.builds), str(ran.requests), f"{ran.seconds:.0f} s"


def differences(cell: Cell, ran: Ran) -> list[str]:
    """What is not as expected, and what must never be."""
    once_end, once_builds, always_end, always_builds = expected(cell.scenario.name, cell.kind)
    end, builds = (always_end, always_builds) if cell.always else (once_end, once_builds)
    found = [f"{cell.name}: {each}" for each in ran.violations]
    if (ran.end, ran.builds) != (end, builds):
        found.append(f"{cell.name}: {ran.end} with {ran.builds} builds, not {end} with {builds}")
    return found
