"""The network as an SVG drawing that a page holds inline; knows no page."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from nas_cifar10.report.captions import counted
from nas_cifar10.space.candidate import Architecture, Block
from nas_cifar10.space.cost import Layer

_WIDTH, _ROW, _GLYPH = 380, 74, 112  # user units; a phone shows them one to one
_LARGEST, _SMALLEST = 46.0, 9.0  # side of the front square
_STEP = 3.2  # between the squares of a stack
_MOST_SQUARES = 10


def drawing(
    architecture: Architecture, layers: Sequence[Layer], picture: tuple[int, int, int]
) -> Markup:
    """Draw each part as a stack, as high as what comes out of it and as deep as its channels.

    Args:
        layers: The parts with weights, in order.
        picture: C, H, W of what goes in.
    """
    blocks = dict(zip((f"block{n}" for n in range(1, 1000)), architecture.blocks, strict=False))
    channels, height, width = picture
    rows: list[tuple[str, str, tuple[int, ...]]] = [
        ("picture", f"{width}×{height}, {counted(channels, 'channel')}", picture)
    ]
    rows += [(_title(layer, blocks), _size(layer), layer.shape) for layer in layers]
    told = "; ".join(f"{title}: {size}" for title, size, _ in rows)
    drawn = Markup("").join(_row(i, *row, side=max(height, width)) for i, row in enumerate(rows))
    high = _ROW * len(rows)
    return Markup(
        '<svg class="network" viewBox="0 0 {w} {h}" role="img" aria-labelledby="network-told">'
        '<title id="network-told">The network, from top to bottom. {told}</title>{rows}</svg>'
    ).format(w=_WIDTH, h=high, told=told, rows=drawn)


def _title(layer: Layer, blocks: dict[str, Block]) -> str:
    block = blocks.get(layer.name)
    if block is None:
        unit = "class" if len(layer.shape) == 1 else "channel"
        return f"{layer.name}: {counted(layer.shape[0], unit)}"
    several = f"{block.convolutions} × " if block.convolutions > 1 else ""
    kind = several + block.kind.replace("_", " ")
    kernel = f"{block.kernel_size}×{block.kernel_size}"
    return f"{kind} {kernel}, {counted(block.channels, 'channel')}"


def _size(layer: Layer) -> str:
    out = "×".join(str(side) for side in (*layer.shape[1:], layer.shape[0]))
    return f"out {out} · {counted(layer.parameters, 'parameter')}"


def _row(place: int, title: str, size: str, shape: tuple[int, ...], *, side: int) -> Markup:
    middle = _ROW * (place + 0.5)
    stack = _stack(middle, shape, side) if len(shape) == 3 else _bar(middle)
    arrow = _arrow(_ROW * place) if place else Markup("")
    return Markup(
        '{arrow}{stack}<text x="{x}" y="{y}" class="part">{title}</text>'
        '<text x="{x}" y="{below}" class="size">{size}</text>'
    ).format(
        arrow=arrow,
        stack=stack,
        x=_GLYPH,
        y=f"{middle - 3:.1f}",
        below=f"{middle + 15:.1f}",
        title=title,
        size=size,
    )


def _stack(middle: float, shape: tuple[int, ...], side: int) -> Markup:
    channels, height, width = shape
    scale = math.sqrt(max(height, width) / side)
    front = max(_SMALLEST, _LARGEST * scale)
    num = min(_MOST_SQUARES, max(1, round(math.log2(channels) * 1.5)))
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
