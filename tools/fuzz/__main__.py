"""`make fuzz`: checks many documents with hostile text. The text must not become a link, mention, tag or table row."""

import sys
import time

from tools.fuzz import documents

DEFAULT_COUNT = 50_000
# The run ends after this many failures.
MAX_FAILURES = 5


def main(first: int = 0, count: int = DEFAULT_COUNT) -> int:
    """Check `count` documents from number `first` on. Returns 1 if one fails."""
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
    print(f"Checked {count} documents from number {first} in {time.monotonic() - began:.0f} s: {failures} failed.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
