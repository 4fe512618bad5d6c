"""`python -m tools.pictures.page`: draws the page of `make sandbox` in three states, and in both schemes."""

from pathlib import Path

from sandbox.github.server import GitHub
from sandbox.page.server import PageServer
from sandbox.stormkit.server import Stormkit
from tools.pictures.browser import Browser

IMAGES = Path(__file__).parents[2] / "docs/images"

# Buttons in the order in which they are pressed, and the picture that is taken once their run has ended.
PICTURES = {"open": "ready", "push-failing": "failed", "close": "closed"}


def main() -> None:
    """Draw them."""
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
