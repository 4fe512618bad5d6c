"""`make fuzz`: many documents of hostile text, none of which may show a link, mention, tag or row of foreign making."""

import sys
import time

from tools.fuzz import documents

DEFAULT_COUNT = 50_000
# Failures that are printed before it ends.
MAX_FAILURES = 5


def main(first: int = 0, count: int = DEFAULT_COUNT) -> int:
    """Judge the documents from number `first` on; 1 when one fails."""
    began = time.monotonic()
    failures = 0
    for number in range(first, first + count):
        case = documents.make(number)
        problems = case.problems()
        if problems:
            failures += 1
            print(f"Document {number}: {'; '.join(problems[:3])}\n\n{case.hostile}\n")
        if failures >= MAX_FAILURES:
            return 1
    print(f"{count} documents from number {first} on: {failures} failed, {time.monotonic() - began:.0f} seconds.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
