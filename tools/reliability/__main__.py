"""`make reliability`: runs the fault matrix for each generation of servers and writes docs/reliability.md."""

import sys

from tools.reliability.document import DOCUMENT, differences, page
from tools.reliability.running import RunResult, run
from tools.reliability.scenarios import cells


def main() -> int:
    """Run the matrix and write the document. If a run differs from what is expected, write nothing and return 1."""
    shown: dict[str, RunResult] = {}
    wrong: list[str] = []
    runs = 0
    for cell in cells():
        for generation in cell.scenario.generations:
            shown[cell.name] = run(cell, generation)
            wrong += [f"{difference} ({generation})" for difference in differences(cell, shown[cell.name])]
            runs += 1
    for difference in wrong:
        print(difference, file=sys.stderr)
    if wrong:
        return 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(page(shown, runs), encoding="utf-8")
    print(f"{runs} runs, all as expected; wrote {DOCUMENT.relative_to(DOCUMENT.parents[1])}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
