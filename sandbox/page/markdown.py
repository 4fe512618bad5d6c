"""Markdown as GitHub shows it: cmark-gfm with GitHub's extensions, and of its HTML what GitHub keeps."""

import nh3
from cmarkgfm import cmark

EXTENSIONS = ["table", "autolink", "strikethrough", "tagfilter", "tasklist"]
OPTIONS = cmark.Options.CMARK_OPT_UNSAFE | cmark.Options.CMARK_OPT_FOOTNOTES

# Source: html-pipeline, SanitizationFilter, which GitHub's documentation of github/markup refers to.
_TAGS = set(
    """
    h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p ol ul table thead tbody tfoot blockquote
    dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption abbr bdo cite
    dfn mark small span time wbr
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = {
    "a": {"href"},
    "img": {"src", "alt", "width", "height"},
    "*": {"align", "aria-hidden", "aria-label", "colspan", "dir", "lang", "open", "rowspan", "start", "title", "width"},
}


def to_html(markdown: str) -> str:
    """The HTML that cmark-gfm makes of it, foreign tags included."""
    return str(cmark.markdown_to_html_with_extensions(markdown, options=OPTIONS, extensions=EXTENSIONS))


def as_github_shows(markdown: str) -> str:
    """HTML that is safe to show. Links open beside the page."""
    beside = {"a": {"target": "_blank"}}
    return nh3.clean(to_html(markdown), tags=_TAGS, attributes=_ATTRIBUTES, set_tag_attribute_values=beside)
