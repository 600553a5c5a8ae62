"""The network as an SVG drawing that a page holds inline; knows no page."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from nas_cifar10.report.captions import counted
from nas_cifar10.space.candidate import Architecture, Block
from nas_cifar10.space.cost import Layer

_WIDTH, _ROW, _GLYPH = 380, 84, 112  # user units; a phone shows them one to one
_LARGEST, _SMALLEST = 42.0, 9.0  # side of the front square
_LINE = 18  # from one line of words to the next
_STEP = 3.2  # between the squares of a stack
_MOST_SQUARES = 10


def drawing(
    architecture: Architecture, layers: Sequence[Layer], picture: tuple[int, int, int]
) -> Markup:
    """Draw each part as a stack, as high as what comes out of it; more channels make it deeper.

    Args:
        layers: The parts with weights, in order.
        picture: C, H, W of what goes in.
    """
    blocks = {f"block{n}": block for n, block in enumerate(architecture.blocks, start=1)}
    rows: list[tuple[str, str, str, tuple[int, ...]]] = [("picture", _out(picture), "", picture)]
    rows += [
        (_title(layer, blocks), _out(layer.shape), _weights(layer), layer.shape) for layer in layers
    ]
    told = "; ".join(f"{title}: {', '.join(filter(None, said))}" for title, *said, _ in rows)
    drawn = Markup("").join(_row(i, *row, side=max(picture[1:])) for i, row in enumerate(rows))
    high = _ROW * len(rows)
    return Markup(
        '<svg class="network" viewBox="0 0 {w} {h}" role="img" aria-labelledby="network-told">'
        '<title id="network-told">The network, from top to bottom. {told}</title>{rows}</svg>'
    ).format(w=_WIDTH, h=high, told=told, rows=drawn)


def _title(layer: Layer, blocks: dict[str, Block]) -> str:
    block = blocks.get(layer.name)
    if block is None:
        return layer.name
    several = f"{block.convolutions} × " if block.convolutions > 1 else ""
    return f"{several}{block.kind.replace('_', ' ')} {block.kernel_size}×{block.kernel_size}"


def _out(shape: tuple[int, ...]) -> str:
    if len(shape) == 1:
        return counted(shape[0], "class")
    channels, height, width = shape
    return f"{counted(channels, 'channel')}, {width}×{height}"


def _weights(layer: Layer) -> str:
    return counted(layer.parameters, "parameter")


def _row(
    place: int, title: str, out: str, weights: str, shape: tuple[int, ...], *, side: int
) -> Markup:
    middle = _ROW * (place + 0.5)
    stack = _stack(middle, shape, side) if len(shape) == 3 else _bar(middle)
    arrow = _arrow(_ROW * place) if place else Markup("")
    first = middle - _LINE * (2 if weights else 1) / 2 + 5
    lines = [("part", title), ("size", out), *([("size", weights)] if weights else [])]
    text = Markup("").join(
        Markup('<text x="{x}" y="{y:.1f}" class="{kind}">{words}</text>').format(
            x=_GLYPH, y=first + _LINE * number, kind=kind, words=words
        )
        for number, (kind, words) in enumerate(lines)
    )
    return arrow + stack + text


def _stack(middle: float, shape: tuple[int, ...], side: int) -> Markup:
    channels, height, width = shape
    scale = math.sqrt(max(height, width) / side)
    front = max(_SMALLEST, _LARGEST * scale)
    num = min(_MOST_SQUARES, max(1, round(math.log2(channels))))
    depth = _STEP * (num - 1)
    x, y = (_GLYPH - 12 - front - depth) / 2, middle - (front - depth) / 2
    squares = Markup("").join(
        Markup('<rect x="{x}" y="{y}" width="{s}" height="{s}" rx="1.5"/>').format(
            x=f"{x + _STEP * i:.1f}", y=f"{y - _STEP * i:.1f}", s=f"{front:.1f}"
        )
        for i in reversed(range(num))
    )
    return Markup('<g class="stack">{squares}</g>').format(squares=squares)


def _bar(middle: float) -> Markup:
    return Markup(
        '<g class="stack"><rect x="{x}" y="{y}" width="10" height="44" rx="2"/></g>'
    ).format(x=(_GLYPH - 12) / 2 - 5, y=f"{middle - 22:.1f}")


def _arrow(y: float) -> Markup:
    x = (_GLYPH - 12) / 2
    return Markup('<path class="arrow" d="M{x} {a}v8m-3 -3l3 3l3 -3"/>').format(
        x=x, a=f"{y - 4:.1f}"
    )
