"""Charts, tables and pictures bound into one page that needs no other file; knows no run folder."""

import base64
import hashlib
import importlib.resources
import io
from collections.abc import Mapping, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image
from plotly.offline import get_plotlyjs

from nas_cifar10 import interrupts
from nas_cifar10.report import charts_front, charts_model, charts_search, sections, still
from nas_cifar10.report.charts import Chart
from nas_cifar10.report.facts import Facts
from nas_cifar10.report.pictures import album

_COLORS = 128  # of a still picture's palette
_NEARLY_WHITE = 250  # of 255, as an octree leaves the paper
_STILL_WIDTH = 900  # pixels


def page(facts: Facts, stills: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        stills: The figures as PNG, by name: what stands for a chart on paper.
    """
    pictures = album(facts)
    charts = _charts(facts)
    environment = Environment(
        loader=PackageLoader("nas_cifar10.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    scripts = [_script(get_plotlyjs()), _script(_asset("page.js"))]
    return environment.get_template("page.html").render(
        policy=_policy(scripts),
        style=Markup(_asset("page.css")),
        scripts=[Markup(script) for script in scripts],
        sheet=pictures.sheet and _data_url(pictures.sheet.jpeg, "image/jpeg"),
        album=pictures,
        charts=charts,
        stills=_stills(charts, stills),
        drawn={c.name: {"data": c.traces, "layout": c.layout} for c in _all(charts)},
        **sections.context(facts, pictures),
    )


def _charts(facts: Facts) -> dict[str, Chart | str | list[Chart]]:
    """Return every chart by the place it has on the page, or why there is none."""
    return {
        "fronts": charts_front.fronts(facts),
        "history": charts_search.history(facts),
        "learning": charts_search.learning(facts),
        "importance": charts_search.importance(facts),
        "parallel": charts_search.parallel(facts),
        "slices": charts_search.slices(facts),
        "training": charts_model.training(facts),
        "reliability": charts_model.reliability(facts),
        "roc": charts_model.roc(facts),
        "classes": charts_model.classes(facts),
    }


def _all(charts: Mapping[str, Chart | str | list[Chart]]) -> list[Chart]:
    lists = [c if isinstance(c, list) else [c] for c in charts.values()]
    return [chart for part in lists for chart in part if isinstance(chart, Chart)]


def _stills(
    charts: Mapping[str, Chart | str | list[Chart]], figures: Mapping[str, bytes]
) -> dict[str, str]:
    """Return the small pictures that stand for the charts, by the charts' `still`."""
    found: dict[str, str] = {}
    for chart in _all(charts):
        interrupts.check()
        if chart.figure is None:
            found[chart.still] = _small(still.draw(chart))
        elif chart.figure in figures and chart.figure not in found:
            found[chart.figure] = _small(figures[chart.figure])
    return found


def _small(png: bytes) -> str:
    """Return a PNG as a data URL, with few colours and no wider than a page."""
    with Image.open(io.BytesIO(png)) as image:
        picture = image.convert("RGB")
    if picture.width > _STILL_WIDTH:
        height = round(picture.height * _STILL_WIDTH / picture.width)
        picture = picture.resize((_STILL_WIDTH, height), Image.Resampling.LANCZOS)
    content = io.BytesIO()
    # An octree keeps the few dots of a colour of their own, which a median cut melts into others.
    few = picture.quantize(_COLORS, Image.Quantize.FASTOCTREE)
    few.putpalette([255 if part > _NEARLY_WHITE else part for part in few.getpalette() or ()])
    few.save(content, format="png", optimize=True)
    return _data_url(content.getvalue(), "image/png")


def _data_url(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _script(text: str) -> str:
    """Return a script as it may stand inside <script>; nothing but strings can hold `</script`."""
    return text.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str]) -> str:
    """Return a content security policy: these scripts and no other, no request to anywhere."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _asset(name: str) -> str:
    return (importlib.resources.files("nas_cifar10.report") / "templates" / name).read_text("utf-8")
