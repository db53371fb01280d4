"""Atlassian Document Format: the documents that version 3 of the interface has where people see text. Pure.

Only what a plain text can say is written. What is read becomes the text that a person would copy from the page.
Described at https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DEEPEST = 60
"""Levels of a document that are read; people write no more, and deeper ones are cut off."""
BLOCKS = frozenset({"paragraph", "heading", "codeBlock", "blockquote", "panel", "expand", "nestedExpand", "mediaSingle",
                    "mediaGroup", "decisionList", "rule"})  # fmt: skip
LISTS = frozenset({"bulletList", "orderedList", "taskList"})
ITEMS = frozenset({"listItem", "taskItem", "decisionItem"})


def document(text: str) -> dict[str, Any]:
    """A plain text as a document: an empty line ends a paragraph, a line a hard break."""
    paragraphs = text.replace("\r\n", "\n").split("\n\n")
    return {"type": "doc", "version": 1, "content": [_paragraph(each) for each in paragraphs]}


def plain_text(node: object) -> str:
    """The text of a document, or of a part of one; empty for what is none."""
    return _text(node, 0).strip("\n")


def is_document(value: object) -> bool:
    """Whether a value is a document."""
    return isinstance(value, Mapping) and value.get("type") == "doc"


def _paragraph(text: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = []
    for number, line in enumerate(text.split("\n")):
        if number:
            content.append({"type": "hardBreak"})
        if line:  # a text node must not be empty
            content.append({"type": "text", "text": line})
    return {"type": "paragraph", "content": content}


def _text(node: object, depth: int) -> str:
    if not isinstance(node, Mapping) or depth > DEEPEST:
        return ""
    kind = node.get("type")
    attributes = node.get("attrs")
    attributes = attributes if isinstance(attributes, Mapping) else {}
    match kind:
        case "text":
            return _string(node.get("text"))
        case "hardBreak":
            return "\n"
        case "mention" | "status" | "placeholder":
            return _string(attributes.get("text"))
        case "emoji":
            return _string(attributes.get("text")) or _string(attributes.get("shortName"))
        case "inlineCard" | "blockCard" | "embedCard":
            return _string(attributes.get("url"))
    children = node.get("content")
    children = children if isinstance(children, list) else []
    if kind in LISTS:
        return "\n".join(f"- {_text(child, depth + 1)}" for child in children)
    if kind == "table":
        return "\n".join(_text(child, depth + 1) for child in children)
    if kind == "tableRow":
        return " | ".join(_text(child, depth + 1) for child in children)
    return _joined(children, depth)


def _joined(children: list[Any], depth: int) -> str:
    """The children's texts: blocks stand apart, what runs in a line does not."""
    blocks = [isinstance(child, Mapping) and _is_block(child.get("type")) for child in children]
    texts = [_text(child, depth + 1) for child in children]
    if any(blocks):
        return "\n\n".join(texts)
    return "".join(texts)


def _is_block(kind: object) -> bool:
    return kind in BLOCKS or kind in LISTS or kind in ("table", *ITEMS)


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
