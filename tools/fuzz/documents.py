"""Comments and summaries of random hostile text, each beside a twin that says the same in harmless words."""

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

# Whole constructs, their halves, and what they are made of. They are strung together at random.
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

Words = Callable[[str], str]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A document of hostile text, and its twin of harmless text."""

    hostile: str
    harmless: str

    def problems(self) -> list[str]:
        """What of the hostile document is of foreign making, as GitHub shows it."""
        page, twin = github.render(self.hostile), github.render(self.harmless)
        found = [*page.references, *(f"link: {link}" for link in page.links if link not in twin.links)]
        if page.tags != twin.tags:
            pairs = zip(page.tags, twin.tags, strict=False)
            differing = next((f"{tag}, not {expected}" for tag, expected in pairs if tag != expected), "more or less")
            found.append(f"tags: {differing}")
        if comment_body.is_ours(self.harmless, "stormkit"):
            rows, expected_rows = (comment_body.read_rows(body) for body in (self.hostile, self.harmless))
            if [row.state for row in rows] != [row.state for row in expected_rows]:
                found.append(f"rows: {rows}")
        return found


def make(number: int) -> Case:
    """The case of that number: a comment, a summary or a list. The same number makes the same case."""
    build = (_comment, _summary)[number % 2]
    return Case(hostile=build(number, str), harmless=build(number, _harmless))


def _harmless(text: str) -> str:
    """A word where `text` has something to show."""
    return "x" if one_line(text, 100) else ""


class _Source:
    """Random values. `words` turns each foreign text into what the document gets."""

    def __init__(self, number: int, words: Words) -> None:
        self.random = random.Random(number)
        self._words = words

    def text(self) -> str:
        """Some hostile text, or its harmless twin."""
        return self._words(self._text(self.random.choice((0, 1, 2, 3, 5, 8, 13))))

    def name(self) -> str:
        """As `text`, never empty."""
        return f"x{self.text()}"

    def sha(self) -> str:
        """A commit that is one, none, or a hostile one."""
        return self.random.choice((SHA, "", self.name()))

    def url(self) -> str:
        """An address as fields.web_url lets it through."""
        return self.random.choice(URLS)

    def seconds(self) -> float:
        """A duration, mostly of some seconds."""
        return self.random.choice((0.0, 0.001, 1.0, 42.0, 3600.0, 1e300))

    def is_true(self) -> bool:
        """True or false."""
        return self.random.random() < 0.5

    def _text(self, length: int) -> str:
        pieces = [self.random.choice(PIECES) for _ in range(length)]
        if pieces and self.random.random() < 0.2:
            pieces.append(chr(self.random.choice((self.random.randrange(0x250), self.random.randrange(0x11000)))))
        return self.random.choice(("", "", " ")).join(pieces)


def _comment(number: int, words: Words) -> str:
    source = _Source(number, words)
    count = source.random.choice((1, 1, 2, 3))
    return comment_body.render([_row(source, place) for place in range(count)], "stormkit")


def _row(source: _Source, place: int) -> Row:
    """A row as somebody may have left it by editing the comment. The place keeps rows in their order."""
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


def _summary(number: int, words: Words) -> str:
    source = _Source(number, words)
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
