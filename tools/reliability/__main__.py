"""`make reliability`: runs the matrix for each generation of servers and writes the document."""

import sys

from tools.reliability.document import DOCUMENT, differences, page
from tools.reliability.running import Ran, run
from tools.reliability.scenarios import cells


def main() -> int:
    """Run it all. 1 when something is not as it has to be; then nothing is written."""
    shown: dict[str, Ran] = {}
    wrong: list[str] = []
    runs = 0
    for cell in cells():
        for generation in cell.scenario.generations:
            shown[cell.name] = run(cell, generation)
            wrong += [f"{each} ({generation})" for each in differences(cell, shown[cell.name])]
            runs += 1
    for each in wrong:
        print(each, file=sys.stderr)
    if wrong:
        return 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(page(shown, runs), encoding="utf-8")
    print(f"{runs} runs, all as expected; wrote {DOCUMENT.relative_to(DOCUMENT.parents[1])}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
