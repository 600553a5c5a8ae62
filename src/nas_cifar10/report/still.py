"""A chart as a still picture, for paper and where JavaScript is off; knows no facts."""

from typing import Any

from matplotlib.axes import Axes

from nas_cifar10.report import charts, ink
from nas_cifar10.report.charts import Chart, Trace
from nas_cifar10.report.figures import png

_INK = {
    charts.BLUE: ink.BLUE,
    charts.ORANGE: ink.ORANGE,
    charts.GREEN: ink.GREEN,
    charts.INK: ink.INK,
    charts.MUTED: ink.MUTED,
    charts.FAINT: ink.FAINT,
}
_STYLES = {"dot": ":"}


@ink.own_style()
def draw(chart: Chart) -> bytes:
    """Return lines and dots of a chart as PNG; it knows scatter traces only."""
    figure = ink.page(chart.title, ink.shorten(chart.caption, len(chart.caption)), 6.4, 5.0)
    titles = {axis: chart.layout[axis]["title"]["text"] for axis in ("xaxis", "yaxis")}
    axes = ink.plain(figure.subplots(), titles["xaxis"], titles["yaxis"])
    for trace in chart.traces:
        _lines(axes, trace)
    axes.set_xlim(chart.layout["xaxis"].get("range"))
    axes.set_ylim(chart.layout["yaxis"].get("range"))
    return png(figure)


def _lines(axes: Axes, trace: Trace) -> None:
    line: dict[str, Any] = trace.get("line", {})
    color = _INK[line["color"]]
    style, width = _STYLES.get(line.get("dash", ""), "-"), line.get("width", 1.5)
    axes.plot(trace["x"], trace["y"], style, color=color, linewidth=width)
    if "markers" in trace["mode"]:
        sizes = [size**2 for size in trace["marker"]["size"]]
        dots = _INK[trace["marker"]["color"]]
        axes.scatter(trace["x"], trace["y"], s=sizes, color=dots, zorder=3)
