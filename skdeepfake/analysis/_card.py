"""Convert model cards from Markdown to HTML."""

from __future__ import annotations

import re
from html import escape


def sections(card: str) -> dict[str, str]:
    """Return a dict of headings and the text of their sections."""
    parts = re.split(r"^#+ (.+)$", card, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def to_html(text: str) -> str:
    """Convert paragraphs, lists, tables, bold text and code to HTML."""
    blocks = re.split(r"\n\s*\n", text.strip())
    return "\n".join(_block(block) for block in blocks if block.strip())


def _block(block: str) -> str:
    if block.startswith("|"):
        rows = [line.strip("|").split("|") for line in block.splitlines()]
        cells = [
            "".join(f"<td>{_inline(cell.strip())}</td>" for cell in row)
            for row in rows
            if not set("".join(row)) <= set("-: ")
        ]
        lines = "\n".join(f"<tr>{row}</tr>" for row in cells)
        return f'<div class="wide"><table>\n{lines}\n</table></div>'
    if block.startswith("- "):
        items = re.split(r"^- ", block, flags=re.MULTILINE)[1:]
        lines = "\n".join(f"<li>{_inline(item.strip())}</li>" for item in items)
        return f"<ul>\n{lines}\n</ul>"
    return f"<p>{_inline(block)}</p>"


def _inline(text: str) -> str:
    text = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", escape(text), flags=re.S)
    return re.sub(r"`(.+?)`", r"<code>\1</code>", text)
