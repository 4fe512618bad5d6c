"""Renders markdown as GitHub does, and finds the references in the text that GitHub would turn into links.

Source: https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from sandbox.page.markdown import to_html

# GitHub looks for these references in the text of the rendered HTML. Each pattern matches more than GitHub's own rule,
# which may change.
REFERENCES = {
    "mention": re.compile(r"@\w", re.ASCII),
    "issue": re.compile(r"#\d|GH-\d", re.IGNORECASE),
    "commit": re.compile(r"(?=[a-f]*\d)[0-9a-f]{7}|\b[a-f]{7,}\b", re.IGNORECASE),
    "link": re.compile(r"://|www\.|[a-z0-9]\.[a-z]{2,}/", re.IGNORECASE | re.ASCII),
    "emoji": re.compile(r":(?:[\w+-]*[a-z][\w+-]*|[+-]1|100|1234):", re.IGNORECASE | re.ASCII),
    "formula": re.compile(r"\$.|.\$"),
}
# GitHub ignores mentions in code, but a reply by e-mail quotes code as plain text.
MENTION_IN_CODE = re.compile(r"(?<!\w)@\w")


@dataclass(eq=False)
class Page(HTMLParser):
    """A rendered page: its tags, its links, the references in its text, and the text."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Record a tag with its attributes, but not a bare <span>, which only separates texts."""
        if tag not in ("br", "hr", "img", "input"):
            self._open.append(tag)
        if tag != "span" or attrs:
            self.tags.append(f"<{tag} {attrs}>")
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        """Record the end of a tag, and whether it has no beginning."""
        if tag != "span":
            self.tags.append(f"</{tag}>")
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.tags.append(f"</{tag}> without its beginning")

    def handle_comment(self, data: str) -> None:
        """Record an HTML comment by its first two words."""
        self.tags.append(f"<!-- {data.split()[:2]} -->")

    def handle_data(self, data: str) -> None:
        """Record the text between two tags, and the references in it."""
        self.text += data
        if "code" in self._open:
            if MENTION_IN_CODE.search(data):
                self.references.append(f"mention in code: {data!r}")
            return
        if "a" not in self._open:
            self.references += [f"{name}: {data!r}" for name, rule in REFERENCES.items() if rule.search(data)]


def render(markdown: str) -> Page:
    """The page that GitHub would show."""
    page = Page()
    page.feed(to_html(markdown))
    page.close()
    page.text = page.text.strip()
    return page
