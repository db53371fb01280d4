"""Texts without the markup that systems keep them in. Pure."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

BREAKS = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "pre"})
UNSEEN = frozenset({"style", "script", "head", "title"})


class _Text(HTMLParser):
    """Collects what people see."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser's
        if tag in BREAKS:
            self.parts.append("\n")
        self._unseen += tag in UNSEEN

    def handle_endtag(self, tag: str) -> None:
        if tag in BREAKS - {"br"}:
            self.parts.append("\n")
        self._unseen = max(0, self._unseen - (tag in UNSEEN))

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self.parts.append(re.sub(r"\s+", " ", data))


def mark_of(key: str) -> str:
    """By which a note is found again that has no other place for its key."""
    return f"[connector:{key}]"


def marked_html(text: str, key: str) -> str:
    """A note as HTML that ends in its key. text: plain."""
    lines = "<br>".join(html.escape(line, quote=False) for line in text.splitlines())
    return f"<p>{lines}</p><p>{mark_of(key)}</p>"


def text_of_html(markup: str) -> str:
    """What a person reads of it; no more than one empty line in a row."""
    parser = _Text()
    parser.feed(markup)
    parser.close()
    lines = [line.strip() for line in "".join(parser.parts).split("\n")]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
