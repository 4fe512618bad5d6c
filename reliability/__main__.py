"""`make reliability`: runs the matrix for both generations of servers and writes the document."""

import sys

from reliability.document import DOCUMENT, differences, page
from reliability.running import Ran, run
from reliability.scenarios import cells
from sandbox.stormkit import Generation


def main() -> int:
    """Run it all. 1 when something is not as it has to be; then nothing is written."""
    newer: dict[str, Ran] = {}
    wrong: list[str] = []
    everything = cells()
    for generation in (Generation.NEWER, Generation.OLDER):
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
    DOCUMENT.write_text(page(newer, 2 * len(everything)), encoding="utf-8")
    print(f"{2 * len(everything)} runs, all as expected; wrote {DOCUMENT.relative_to(DOCUMENT.parents[1])}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
