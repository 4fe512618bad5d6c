"""`python -m tools.pictures.page`: takes screenshots of the page of `make sandbox`, in three states and two schemes."""

from pathlib import Path

from sandbox.github.server import GitHub
from sandbox.page.server import PageServer
from sandbox.stormkit.server import Stormkit
from tools.pictures.browser import Browser

IMAGES = Path(__file__).parents[2] / "docs/images"

# The buttons in the order in which they are pressed, and the name of the screenshot after the run of each.
PICTURES = {"open": "ready", "push-failing": "failed", "close": "closed"}


def main() -> None:
    """Take the screenshots."""
    with (
        Stormkit() as stormkit,
        GitHub() as github,
        PageServer(stormkit, github) as page,
        Browser(height=600) as browser,
    ):
        browser.open(page.url)
        for run, (button, picture) in enumerate(PICTURES.items(), start=1):
            browser.press(f"[data-press={button}]")
            browser.wait_for(f"document.getElementById('run').textContent.includes('run {run}')")
            browser.wait_for("!document.querySelector('[data-press=rerun]').disabled")
            for scheme in ("light", "dark"):
                browser.screenshot(IMAGES / f"page-{picture}-{scheme}.png", scheme=scheme)


if __name__ == "__main__":
    main()
