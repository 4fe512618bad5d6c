"""`make bench`: runs all measurements and writes docs/performance.md. It takes about four minutes."""

import os
import sys
import time
from pathlib import Path

from tools.bench import cleanup, comment_race, environments, image, memory, polling, start

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"
MODULES = (start, polling, environments, cleanup, memory, comment_race, image)
NAMES = ", ".join(f"`{module.__name__.rpartition('.')[2]}`" for module in MODULES)

PAGE = f"""# Performance

{{answers}}

## How this was measured

`make bench` writes this page; `python -m tools.bench.NAME` measures one part: {NAMES}.
This run used {os.cpu_count()} cores, Python {sys.version_info.major}.{sys.version_info.minor}, and the local
Stormkit and GitHub of `sandbox/` over HTTP. Times that depend on the machine are ratios of two measured side by side.

{{details}}"""


def main() -> None:
    """Run all measurements and write the page."""
    began = time.monotonic()
    sections = []
    for module in MODULES:
        print(f"{module.__name__} …", file=sys.stderr, flush=True)
        sections.append(module.section())
    answers = "\n".join(f"- {section.answer}" for section in sections)
    details = "\n".join(section.folded() for section in sections)
    DOCUMENT.write_text(PAGE.format(answers=answers, details=details), encoding="utf-8")
    print(f"Wrote docs/{DOCUMENT.name} in {time.monotonic() - began:.0f} s.", file=sys.stderr)


if __name__ == "__main__":
    main()
