"""Random comments and summaries with hostile text, each with a twin that has harmless text in the same places."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from stormkit_action import result as results
from stormkit_action.reporting import comment_body, summary
from stormkit_action.reporting.rows import Row, State
from stormkit_action.result import DeploymentResult, Outcome, Result
from stormkit_action.stormkit.models import Commit, Deployment, LogStep, Status, UploadSize
from stormkit_action.text import one_line
from tools.fuzz import github

SHA = "16ab41e8c9d2f0b7a3e5d4c6b8a9f0e1d2c3b4a5"
RUN = "https://github.com/octocat/hello-world/actions/runs/13912345678/attempts/1"
DASHBOARD = "https://app.stormkit.io"
URLS = (
    "",
    "https://hello-world--8241.stormkit.dev",
    "https://a.example/?b=1&c=%22%3E*_~[x]|#@octocat",
    "http://127.0.0.1:8080/%60;$x$!$",
)
NOW = datetime(2025, 3, 18, 12, 21, tzinfo=UTC)

# Markdown and HTML constructs, halves of them, and single characters. They are combined at random.
PIECES = (
    *("@octocat", "@acme/admins", "a@evil.example", "mailto:a@evil.example", "xmpp:a@evil.example/b", "@", "&commat;"),
    *("https://evil.example", "http://", "ftp://evil.example", "www.evil.example", "www.", "evil.example/x", "://"),
    *("#12", "GH-34", "octocat/hello-world#56", "octocat/hello-world@16ab41e8c9", "octocat@", "#", "gh-", "&#35;"),
    *(SHA, "16ab41e8", "9f3", "\u00e916ab41e8c9", "_16ab41e8c9", "0123456789", "ABCDEF0123"),
    *("<b>", "</b>", "<br>", "<img src=x onerror=alert(1)>", "<a href='//evil.example'>", "</a>", "</code>", "</td>"),
    *("</details>", "</summary>", "<script>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<", ">", "&lt;", "&#60;"),
    *("<https://evil.example>", "<a@evil.example>", "<!-- stormkit-action comment stormkit -->"),
    *("<!-- stormkit-action state AAAA -->", "[x](https://evil.example)", "![x](//evil.example)", "[x]", "[x]: //e"),
    *("[^1]", "[^1]: note", "](", "![", "[", "]", "(", ")", "[!NOTE]", "- [ ] task", "- [x] ", "* ", "1. ", "+ "),
    *("| a | b |", "|", "| --- |", "\\|", "\\", "`", "``", "```", "````text", "~~~", "~~gone~~", "~", "**", "*", "__"),
    *("_", "***bold***", "# heading", "---", "===", "> quote", "    code", ":tada:", ":+1:", ":", "$x^2$", "$$", "$"),
    *("$`x`$", "```math", "```mermaid", "%%{init: {}}%%", "::error::x", "##[error]y", "{{", "}}"),
    *("\n", "\n\n", "\r\n", "\r", "\t", " ", "  ", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\u00a0"),
    *("\u200b", "\u200d", "\u202e", "\u2066", "\ufeff", "\x00", "\x1b[31m", "\x1b]8;;//e\x07", "\ud800", "\U000e0041"),
    *(
        "a",
        "w",
        "ww.",
        "h",
        "ttps",
        "//",
        ".",
        "/",
        "x y",
        "0",
        "é",
        "\u00df",
        "\uff03",
        "\uff20",
        "中",
        "🚀",
        "e\u0301",
        "\u05e9\u05dc\u05d1",
    ),
)

Replace = Callable[[str], str]
"""Turns a hostile text into the text that the document gets: itself, or a harmless one."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A document with hostile text, and its twin with harmless text."""

    hostile: str
    harmless: str

    def problems(self) -> list[str]:
        """Messages about what GitHub shows in the hostile document but not in its twin."""
        page, twin = github.render(self.hostile), github.render(self.harmless)
        found = [*page.references, *(f"link: {link}" for link in page.links if link not in twin.links)]
        if page.tags != twin.tags:
            pairs = zip(page.tags, twin.tags, strict=False)
            differing = next((f"{tag}, not {expected}" for tag, expected in pairs if tag != expected), "another number")
            found.append(f"tags: {differing}")
        if comment_body.is_ours(self.harmless, "stormkit"):
            rows, expected_rows = (comment_body.read_rows(body) for body in (self.hostile, self.harmless))
            if [row.state for row in rows] != [row.state for row in expected_rows]:
                found.append(f"rows: {rows}")
        return found


def make(number: int) -> Case:
    """The case with that number, which is always the same: a comment, a summary or a list."""
    build = (_comment, _summary)[number % 2]
    return Case(hostile=build(number, str), harmless=build(number, _harmless))


def _harmless(text: str) -> str:
    """A harmless word, or "" if `text` has no visible character."""
    return "x" if one_line(text, 100) else ""


class _Source:
    """Random values for a document. The same `number` yields the same values."""

    def __init__(self, number: int, replace: Replace) -> None:
        self.random = random.Random(number)
        self._replace = replace

    def text(self) -> str:
        """A hostile text, or its harmless twin."""
        return self._replace(self._text(self.random.choice((0, 1, 2, 3, 5, 8, 13))))

    def name(self) -> str:
        """A text that is not empty."""
        return f"x{self.text()}"

    def sha(self) -> str:
        """A commit's SHA, "", or a hostile text."""
        return self.random.choice((SHA, "", self.name()))

    def url(self) -> str:
        """A URL as `fields.web_url` accepts it."""
        return self.random.choice(URLS)

    def seconds(self) -> float:
        """A duration in seconds."""
        return self.random.choice((0.0, 0.001, 1.0, 42.0, 3600.0, 1e300))

    def is_true(self) -> bool:
        """True or false."""
        return self.random.random() < 0.5

    def _text(self, length: int) -> str:
        pieces = [self.random.choice(PIECES) for _ in range(length)]
        if pieces and self.random.random() < 0.2:
            pieces.append(chr(self.random.choice((self.random.randrange(0x250), self.random.randrange(0x11000)))))
        return self.random.choice(("", "", " ")).join(pieces)


def _comment(number: int, replace: Replace) -> str:
    source = _Source(number, replace)
    count = source.random.choice((1, 1, 2, 3))
    return comment_body.render([_row(source, place) for place in range(count)], "stormkit")


def _row(source: _Source, place: int) -> Row:
    """A row as anybody who can edit the comment may have written it. The place keeps rows in order."""
    return Row(
        label=f"{place}{source.text()}",
        state=source.random.choice(list(State)),
        env_id=str(place),
        deployment_id="8241",
        branch=source.text(),
        sha=source.sha(),
        preview_url=source.url(),
        details_url=source.url(),
        run_url=source.random.choice((RUN, "")),
        reason=source.text(),
        warning=source.text(),
        live=source.is_true(),
        updated=int(NOW.timestamp()),
        duration=source.random.choice((0, 42)),
        usual=source.random.choice((0, 45)),
        step=source.text(),
        tail=source.name(),
        good_url=source.url(),
        good_sha=source.sha(),
    )


def _summary(number: int, replace: Replace) -> str:
    source = _Source(number, replace)
    if source.random.random() < 0.1:
        return summary.render(results.failed(source.name()))
    found = tuple(_result(source) for _ in range(source.random.choice((1, 1, 2, 3))))
    is_list = source.random.random() < 0.2
    made: Result = results.of_listing(found) if is_list else results.of_deployments(found)
    return summary.render(made)


def _result(source: _Source) -> DeploymentResult:
    return DeploymentResult(
        status=source.random.choice(list(Outcome)),
        reason=source.text(),
        warning=source.text(),
        label=source.text(),
        env_id="305",
        deployment_id=source.name(),
        branch=source.text(),
        deployment=_deployment(source) if source.random.random() < 0.9 else None,
        dashboard_url=DASHBOARD,
        live=source.is_true(),
        removed=source.random.random() < 0.1,
    )


def _deployment(source: _Source) -> Deployment:
    return Deployment(
        id="8241",
        status=source.random.choice(list(Status)),
        branch=source.text(),
        commit=Commit(sha=source.sha(), author=source.text(), message=source.text()),
        preview_url=source.url(),
        details_path="/apps/1510",
        duration=source.seconds(),
        created_at=NOW - timedelta(seconds=42),
        stopped_at=NOW,
        published=source.is_true(),
        logs=tuple(_step(source) for _ in range(source.random.choice((0, 1, 3)))),
        status_checks=tuple(_step(source) for _ in range(source.random.choice((0, 1)))),
        failure_summary=source.random.choice(("", source.name())),
        upload=source.random.choice((None, UploadSize(client=204_800, server=1_482_000, serverless=0))),
    )


def _step(source: _Source) -> LogStep:
    return LogStep(title=source.name(), message=source.text(), ok=source.is_true(), duration=source.seconds())
