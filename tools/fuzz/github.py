"""What GitHub makes of markdown: cmark-gfm with GitHub's extensions, then the references that it links by itself.

https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
"""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from sandbox.page.markdown import to_html

# GitHub looks for these in text, once it is HTML. Each is wider than GitHub's own rule, which may change.
REFERENCES = {
    "mention": re.compile(r"@\w", re.ASCII),
    "issue": re.compile(r"#\d|GH-\d", re.IGNORECASE),
    "commit": re.compile(r"(?=[a-f]*\d)[0-9a-f]{7}|\b[a-f]{7,}\b", re.IGNORECASE),
    "link": re.compile(r"://|www\.|[a-z0-9]\.[a-z]{2,}/", re.IGNORECASE | re.ASCII),
    "emoji": re.compile(r":(?:[\w+-]*[a-z][\w+-]*|[+-]1|100|1234):", re.IGNORECASE | re.ASCII),
    "formula": re.compile(r"\$.|.\$"),
}
# And this in code, which a reply by e-mail quotes as plain text.
MENTION_IN_CODE = re.compile(r"(?<!\w)@\w")


@dataclass(eq=False)
class Page(HTMLParser):
    """HTML as a list of its tags, its links, the references in its text, and that text."""

    tags: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag and its attributes. A bare span only keeps text apart."""
        if tag not in ("br", "hr", "img", "input"):
            self._open.append(tag)
        if tag != "span" or attrs:
            self.tags.append(f"<{tag} {attrs}>")
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        """The end of the innermost tag, or of one that is not open."""
        if tag != "span":
            self.tags.append(f"</{tag}>")
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.tags.append(f"</{tag}> without its beginning")

    def handle_comment(self, data: str) -> None:
        """A comment. Its first words say what it is for."""
        self.tags.append(f"<!-- {data.split()[:2]} -->")

    def handle_data(self, data: str) -> None:
        """Text between two tags."""
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
