"""Renders markdown as GitHub does: with cmark-gfm, and with the HTML tags and attributes that GitHub allows."""

import nh3
from cmarkgfm import cmark

EXTENSIONS = ["table", "autolink", "strikethrough", "tagfilter", "tasklist"]
OPTIONS = cmark.Options.CMARK_OPT_UNSAFE | cmark.Options.CMARK_OPT_FOOTNOTES

# Source: html-pipeline, SanitizationFilter, to which the README of github/markup refers.
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
    """The HTML that cmark-gfm renders, not sanitized."""
    return str(cmark.markdown_to_html_with_extensions(markdown, options=OPTIONS, extensions=EXTENSIONS))


def as_github_shows(markdown: str) -> str:
    """The sanitized HTML. Links open in a new tab."""
    in_new_tab = {"a": {"target": "_blank"}}
    return nh3.clean(to_html(markdown), tags=_TAGS, attributes=_ATTRIBUTES, set_tag_attribute_values=in_new_tab)
