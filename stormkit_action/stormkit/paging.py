"""Reading a whole list page by page while its rows move."""

from collections.abc import Callable, Iterable, Iterator

from stormkit_action.errors import ServerFault
from stormkit_action.stormkit.models import Deployment, Page

# The documented size of a list page, by which `from` grows.
PAGE_SIZE = 20

# How often a page is linked with the one before by reading further up, before it is taken as it is; how many pages in a
# row may bring nothing new, and how many rows may come, before the list counts as endless.
MOST_RETURNS = 3
MOST_FRUITLESS = 20
MOST_ROWS = 100_000


def every(read: Callable[[int], Page]) -> Iterator[Deployment]:
    """Every deployment of a list, newest first, each once; `read` gives the page at an offset.

    A new deployment pushes rows back, so some come twice. A deleted one pulls rows forward over the page's edge: each
    page therefore overlaps the one before by a row, and where no known row shows it is read from further up. What came
    to the top meanwhile (a new one, a restarted one) is yielded at the end, out of order.

    Raises what `read` raises, and ServerFault for a list without end.
    """
    seen: set[str] = set()
    offset = returns = fruitless = 0
    stepping_back = False
    while True:
        page = read(offset)
        new = [deployment for deployment in page.deployments if deployment.id not in seen]
        if offset and len(new) == len(page.deployments):
            # Any number of steps back, but not back and forth for ever: the row that overlaps may be unreadable.
            returns += not stepping_back
            stepping_back = returns <= MOST_RETURNS
            if stepping_back:
                offset = max(0, offset - PAGE_SIZE)
                continue
        elif new:
            returns = 0
        stepping_back = False
        fruitless = 0 if new else fruitless + 1
        if fruitless > MOST_FRUITLESS or len(seen) > MOST_ROWS:
            raise ServerFault("Stormkit's list of deployments has no end. Run again later.")
        yield from _unseen(new, seen)
        if not page.has_next:
            break
        offset += PAGE_SIZE - 1
    if offset:
        yield from _came_to_the_top(read, seen)


def _came_to_the_top(read: Callable[[int], Page], seen: set[str]) -> Iterator[Deployment]:
    offset = 0
    while True:
        new = list(_unseen(read(offset).deployments, seen))
        if not new:
            return
        yield from new
        offset += PAGE_SIZE - 1


def _unseen(deployments: Iterable[Deployment], seen: set[str]) -> Iterator[Deployment]:
    for deployment in deployments:
        if deployment.id not in seen:
            seen.add(deployment.id)
            yield deployment
