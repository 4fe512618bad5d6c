"""`make reliability`: runs the matrix for each generation of servers and writes the document."""

import sys

from sandbox.stormkit.server import Generation
from tools.reliability.document import DOCUMENT, differences, page
from tools.reliability.running import Ran, run
from tools.reliability.scenarios import cells


def main() -> int:
    """Run it all. 1 when something is not as it has to be; then nothing is written."""
    newer: dict[str, Ran] = {}
    wrong: list[str] = []
    everything = cells()
    for generation in Generation:
        for cell in everything:
            ran = run(cell, generation)
            wrong += [f"{each} ({generation})" for each in differences(cell, ran)]
            if generation is Generation.NEWER:
                newer[cell.name] = ran
    for each in wrong:
        print(each, file=sys.stderr)
    if wrong:
        return 1
    DOCUMENT.parent.mkdir(exist_ok=True)
    runs = len(Generation) * len(everything)
    DOCUMENT.write_text(page(newer, runs), encoding="utf-8")
    print(f"{runs} runs, all as expected; wrote {DOCUMENT.relative_to(DOCUMENT.parents[1])}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
