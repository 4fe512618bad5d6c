"""Measures the action's peak memory with a large build log: `python -m tools.bench.memory` prints markdown."""

import random
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sandbox.github.server import GitHub
from sandbox.runner.runner import ACTION, Runner
from sandbox.stormkit.server import ENV_KEY, Step, Stormkit
from tools.bench.section import Section

LOG_BYTES = 20_000_000
MAX_PEAK_BYTES = 250 * 1024 * 1024

# Starts the action as a child process, because wait4() then reports its memory alone. On Linux, ru_maxrss is in KiB.
_WRAPPER = """
import os, sys
child = os.posix_spawn(sys.executable, [sys.executable, "-u", {entrypoint!r}], os.environ)
_, status, usage = os.wait4(child, 0)
with open({report!r}, "w") as report:
    report.write(str(usage.ru_maxrss * 1024))
os._exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """The result of one deploy. `peak` is in bytes, `log` is the step's log as printed."""

    peak: int
    exit_code: int
    log: str


def plain_log(size: int = LOG_BYTES) -> str:
    """A log like that of a package manager, which compresses well."""
    return "".join(
        f"{number:07d} npm http fetch GET 200 https://registry.example.com/p\n" for number in range(size // 63)
    )


def random_log(size: int = LOG_BYTES) -> str:
    """A log of random hexadecimal digits, which hardly compresses."""
    chance = random.Random(1)
    return "".join(f"{chance.randbytes(36).hex()}\n" for _ in range(size // 73))


def unicode_log(size: int = LOG_BYTES) -> str:
    """A log in which every line has characters of two, three and four bytes."""
    return "".join(f"✓ {number:07d} 😀 {'é' * 30}\n" for number in range(size // 80))


def deploy(message: str, *, build_log: str, ok: bool = True) -> Run:
    """Deploy, with a comment, a build whose log is `message`."""
    with tempfile.TemporaryDirectory() as name, Stormkit() as stormkit, GitHub() as github:
        directory = Path(name)
        entrypoint, report = directory / "entrypoint.py", directory / "peak"
        entrypoint.write_text(_WRAPPER.format(entrypoint=str(ACTION / "entrypoint.py"), report=str(report)))
        stormkit.next_build(
            seconds=1.0,
            outcome="success" if ok else "failed",
            steps=[Step(title="npm install", message="ok\n"), Step(title="npm run build", message=message, ok=ok)],
        )
        finished = Runner(
            event="pull_request_opened",
            inputs={"api-key": ENV_KEY, "api-url": stormkit.url, "build-log": build_log, "poll-interval": "0.2s"},
            directory=directory / "job",
            github_url=github.url,
            secrets=[ENV_KEY],
            entrypoint=entrypoint,
        ).run(timeout=120)
        return Run(peak=int(report.read_text()), exit_code=finished.exit_code, log=finished.log)


def section() -> Section:
    """Measure, and describe the results."""
    rows = [("one line", "failure", deploy("ok", build_log="failure").peak)]
    for name, make in (("plain text", plain_log), ("random digits", random_log), ("emoji and accents", unicode_log)):
        message = make()
        for build_log in ("failure", "stream"):
            rows.append((f"{name}, the build fails", build_log, deploy(message, build_log=build_log, ok=False).peak))
    size = f"{LOG_BYTES // 1_000_000} MB"
    return Section(
        title=f"Peak memory with a build log of {size}",
        answer=f"The step takes {rows[0][2] / 1024**2:.0f} MB of memory, and at most"
        f" {max(peak for _, _, peak in rows) / 1024**2:.0f} MB with a build log of {size}.",
        details=[
            f"The whole process, comment and summary included. The limit is {MAX_PEAK_BYTES // 1024**2} MB.",
            "",
            "| log | `build-log` | peak |",
            "|---|---|---:|",
            *(f"| {name} | `{build_log}` | {peak / 1024**2:.0f} MB |" for name, build_log, peak in rows),
        ],
    )


if __name__ == "__main__":
    print(section().whole())
