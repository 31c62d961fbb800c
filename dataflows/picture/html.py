"""The picture as HTML: a fragment for any page that has `STYLE` once, and a page of its own. Nothing is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from dataflows.picture.model import LETTERS, MEANING, Band, Line, Picture, Store, percent, size
from dataflows.picture.style import PAGE, STYLE
from dataflows.picture.text import NARROW, foot, render

NAMES = {"W": "weights", "I": "inputs", "O": "outputs"}
TABLE = Sequence[Sequence[str]]


def page(
    title: str, columns: Sequence[str], rows: TABLE, pictures: Iterable[Picture], note: str = "",
    charts: Iterable[tuple[str, str, str]] = (),
) -> str:  # fmt: skip
    """Return a self-contained page.

    Parameters
    ----------
    title : str
        Heading.
    columns, rows : sequence of str, sequence of sequences of str
        The table of costs, already in words.
    pictures : iterable of Picture
        Nests, drawn one below the other.
    note : str
        What the figures come from, at the foot.
    charts : iterable of (str, str, str)
        Title, ``<svg>`` element and caption of each, before the nests.
    """
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>\n" for row in rows)
    drawn = list(pictures)
    sections = "".join(f"<section>{fragment(each, title=len(drawn) > 1)}</section>\n" for each in drawn)
    figures = "".join(
        f"<h2>{escape(name)}</h2>\n<figure>{svg}<figcaption>{escape(text)}</figcaption></figure>\n" for name, svg, text in charts
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{PAGE}{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        f'<div class="wide"><table class="cost">\n<tr>{head}</tr>\n{body}</table></div>\n{figures}'
        f"{'<h2>Loop nests</h2>' if drawn else ''}\n{sections}<footer>{escape(note)}</footer>\n</body>\n</html>\n"
    )


def fragment(picture: Picture, *, title: bool = True) -> str:
    """Return a ``<div>`` that shows the picture, and has it as text to be copied."""
    heading = f"<h3>{escape(picture.title)}</h3>" if title else ""
    facts = "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in foot(picture))
    key = " ".join(f"<span>{_mark(mark)} {escape(MEANING[mark])}</span>" for mark in picture.marks)
    return (
        f'<div class="nest">{heading}<div class="scroll">{_nest(picture.bands)}</div><p class="key">{key}</p>'
        f'<div class="scroll">{_stores(picture.stores)}</div><dl>{facts}</dl>'
        f"<details><summary>as text, which <code>systolith cost --mapping</code> reads</summary>"
        f"<pre>{escape(render(picture, NARROW))}</pre></details></div>"
    )


def _nest(bands: Sequence[Band]) -> str:
    titles = "".join(f"<th>{NAMES[letter]}</th>" for letter in LETTERS)
    out = [f'<table class="loops"><thead><tr><th>level</th><th>loop</th><th></th>{titles}</tr></thead>']
    depth = 0
    for band in bands:
        out.append("<tbody>")
        name, bracket, held = band.name.partition("[")
        level = f'<th class="level" rowspan="{max(1, len(band.lines))}">{escape(name)}<i>{escape(bracket + held)}</i></th>'
        if not band.lines:
            out.append(f"<tr>{level}<td></td><td></td><td></td><td></td><td></td></tr>")
        for line in band.lines:
            out.append(_loop(line, depth, level))
            level, depth = "", depth + 1
        out.append("</tbody>")
    return "".join([*out, "</table>"])


def _loop(line: Line, depth: int, level: str) -> str:
    word = f'<span class="axis">spatial on {line.axis}</span>' if line.axis else '<span class="axis">for</span>'
    step = f' <span class="axis">step {line.step:,}</span>' if line.step != 1 else ""
    marks = "".join(f"<td>{_mark(mark)}</td>" for mark in line.marks)
    kind = "space" if line.axis else "time"
    loop = f'<code style="padding-left:{depth * 1.1:.1f}em">{word} <b>{line.dim}</b></code>'
    extent = f"<code>0..{line.extent}{step}</code>"
    return f'<tr class="{kind}">{level}<td class="loop">{loop}</td><td class="extent">{extent}</td>{marks}</tr>'


def _mark(mark: str) -> str:
    return f'<span class="mark {mark}">{mark}</span>'


def _stores(stores: Sequence[Store]) -> str:
    tensors = [*LETTERS, *dict.fromkeys(name for store in stores for name in store.words if name not in LETTERS)]
    tensors = [name for name in tensors if any(name in store.words for store in stores)]
    several = any(store.available > 1 for store in stores)
    titles = [
        "level",
        *(["instances"] if several else []),
        *(NAMES.get(name, name) for name in tensors),
        "used",
        "size",
        "full",
        "",
    ]
    out = [
        "<table><thead><tr>",
        *(f"<th{'' if at == 0 else _NUM}>{title}</th>" for at, title in enumerate(titles)),
        "</tr></thead><tbody>",
    ]
    for store in stores:
        cells = [f"{store.instances:,} of {store.available:,}"] if several else []
        cells += [f"{store.words[name]:,}" if name in store.words else "" for name in tensors]
        if store.full is None:
            cells += ["", "unlimited", "", ""]
        else:
            meter = f'<span class="meter"><i style="width:{100 * min(1.0, store.full):.1f}%"></i></span>'
            cells += [size(store.used_bits), size(store.size_bits or 0), percent(store.full), meter]
        out.append(
            f'<tr><th class="level">{escape(store.name)}</th>' + "".join(f"<td{_NUM}>{cell}</td>" for cell in cells) + "</tr>"
        )
    return "".join([*out, "</tbody></table>"])


_NUM = ' class="num"'
