"""The report in a real browser: drawn, quiet, legible on every screen, and deaf to names."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from typer.testing import CliRunner

from made_links import some_of_cifar10
from made_run import MadeRun
from nas_cifar10.cli.app import app
from nas_cifar10.report.gather import gather
from nas_cifar10.report.html import page
from nas_cifar10.report.write import report
from nas_cifar10.runs.files import read_csv, read_json, write_csv, write_json
from nas_cifar10.runs.folder import RunFolder

pytestmark = pytest.mark.browser

Open = Callable[..., Any]

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
ROOT = Path(__file__).parents[2]
WIDTHS = (375, 768, 1440)
SHORT = ["search.trials=5", "training.epochs=3", "retrain.epochs=3", "data.limit=500"]


def _page_of_a_run(folder: Path, config: str, keys: list[str]) -> Path:
    words = ["run", "--config", str(ROOT / "configs" / config), "--run", str(folder), "--quiet"]
    words += [word for key in keys for word in ("--set", key)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return folder / "report.html"


@pytest.fixture(scope="session")
def digits_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a real search and retrain."""
    return _page_of_a_run(tmp_path_factory.mktemp("digits"), "quickstart.yaml", SHORT)


@pytest.fixture(scope="session")
def cifar_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a real search and retrain on some pictures of CIFAR-10."""
    root = some_of_cifar10(tmp_path_factory.mktemp("pictures"), train=650, test=130)
    keys = ["data.source=image_folder", f"data.root={root}", "data.limit=6000"]
    keys += ["search.trials=5", "training.epochs=2", "retrain.epochs=2"]
    keys += ["training.precision=fp32", "training.threads=1"]
    return _page_of_a_run(tmp_path_factory.mktemp("cifar"), "default.yaml", keys)


@pytest.fixture(scope="session")
def made_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a run as large as that of the default config."""
    run = MadeRun(predicted=True).write(tmp_path_factory.mktemp("made"))
    report(run)
    return run.page


@pytest.fixture(
    params=[
        "digits_report",
        pytest.param("cifar_report", marks=pytest.mark.cifar),
        "made_report",
    ]
)
def report_path(request: pytest.FixtureRequest) -> Path:
    found: Path = request.getfixturevalue(request.param)
    return found


def test_every_chart_is_drawn_and_nothing_is_asked_for(open_page: Open, report_path: Path) -> None:
    opened = open_page()
    opened.show(report_path)
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [report_path.as_uri()]
    plots = opened.page.locator(".plot")
    assert plots.count() >= 10
    for place in plots.all():
        assert place.locator("svg.main-svg").count() > 0
        assert place.bounding_box()["height"] > 100


def test_pointing_at_a_trial_says_what_it_was(open_page: Open, report_path: Path) -> None:
    opened = open_page(viewport={"width": 1280, "height": 900})
    opened.show(report_path)
    chart = opened.page.locator("[data-chart=history]")
    chart.scroll_into_view_if_needed()
    chart.locator(".scatterlayer .point").first.hover(force=True)
    chart.locator(".hoverlayer .hovertext").wait_for()
    assert "trial" in chart.locator(".hoverlayer").text_content()


def column(shown: Page, number: int) -> list[str]:
    cells = shown.locator("#board tbody tr:visible").all()
    return [str(row.locator("th, td").nth(number).text_content()) for row in cells]


def test_the_leaderboard_sorts_and_filters(open_page: Open, made_report: Path) -> None:
    opened = open_page()
    opened.show(made_report)
    head = opened.page.locator("#board thead button")
    for _ in range(2):
        head.nth(0).click()
    numbers = [int(text) for text in column(opened.page, 0)]
    assert numbers == sorted(numbers) == list(range(10))
    assert opened.page.locator("#board thead th").nth(0).get_attribute("aria-sort") == "ascending"
    opened.page.locator("#state").select_option("pruned")
    assert set(column(opened.page, 2)) == {"pruned"}
    opened.page.locator("#find").fill("no such trial")
    assert column(opened.page, 0) == []
    assert opened.page.locator("#count").text_content() == "0 of 10"


def test_words_are_sorted_from_a_to_z_and_numbers_from_the_largest(
    open_page: Open, made_report: Path
) -> None:
    opened = open_page()
    opened.show(made_report)
    opened.page.locator("#board thead button").nth(3).click()
    assert column(opened.page, 3) == sorted(column(opened.page, 3))
    opened.page.locator("#board thead button").nth(0).click()
    assert column(opened.page, 0) == [str(number) for number in reversed(range(10))]


def test_names_of_rows_stay_in_sight_and_are_not_crushed(open_page: Open, tmp_path: Path) -> None:
    run = MadeRun(class_names=[f"a rather long name of class {n}" for n in range(25)]).write(
        tmp_path
    )
    report(run)
    opened = open_page(viewport={"width": 390, "height": 800}, reduced_motion="reduce")
    opened.show(run.page)
    for table in ("#per-class", ".confusion"):
        opened.page.locator(f".wide:has({table})").evaluate("each => (each.scrollLeft = 150)")
        for name in ("thead th", "tbody th"):
            box = opened.page.locator(f"{table} {name}").first.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert 80 <= box["width"] <= 170
    opened.page.locator("[data-cell]").first.click()
    assert opened.page.locator("#cell").evaluate("each => each.getBoundingClientRect().top") < 800


def test_paper_loses_no_column_of_the_confusion_matrix(open_page: Open, tmp_path: Path) -> None:
    run = MadeRun(class_names=[f"a rather long name of class {n}" for n in range(25)]).write(
        tmp_path
    )
    report(run)
    opened = open_page(viewport={"width": 718, "height": 1000})  # A4 between its margins
    opened.show(run.page)
    opened.page.emulate_media(media="print")
    assert opened.page.locator(".confusion").evaluate("each => each.offsetWidth") <= 718


def test_a_cell_of_the_confusion_matrix_shows_its_pictures(
    open_page: Open, made_report: Path
) -> None:
    opened = open_page()
    opened.show(made_report)
    cell = opened.page.locator("[data-cell='3-5']")
    cell.focus()
    opened.page.keyboard.press("Enter")
    panel = opened.page.locator("#cell")
    assert str(panel.locator("h4").text_content()).startswith("cat, taken for dog")
    assert panel.locator(".tile").count() == 6
    assert cell.get_attribute("aria-pressed") == "true"


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    open_page: Open, made_report: Path
) -> None:
    opened = open_page(reduced_motion="reduce")
    opened.show(made_report)
    seen = []
    for _ in range(300):
        opened.page.keyboard.press("Tab")
        focused = opened.page.locator(":focus")
        if not focused.count():
            break
        tag, outline = focused.evaluate("e => [e.tagName, getComputedStyle(e).outlineStyle]")
        assert outline == "solid", tag
        seen.append(tag)
    buttons = opened.page.locator("button").count()
    assert seen.count("BUTTON") == buttons > 100
    assert {"A", "INPUT", "SELECT", "SUMMARY", "PRE", "DIV"} <= set(seen)
    assert (
        opened.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"
    )


def test_all_that_is_read_out_has_a_name(open_page: Open, made_report: Path) -> None:
    opened = open_page()
    opened.show(made_report)
    session = opened.page.context.new_cdp_session(opened.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"image", "table", "region", "button", "link", "searchbox", "combobox", "navigation"}
    names: dict[str, list[str]] = {role: [] for role in roles}
    for node in nodes:
        if not node["ignored"] and node["role"]["value"] in roles:
            names[node["role"]["value"]].append(node.get("name", {}).get("value", ""))
    assert all(names.values()), "each kind is there"
    assert [role for role, found in names.items() if "" in found] == []


def test_the_best_line_stands_out_from_the_page_in_the_dark_too(
    open_page: Open, made_report: Path
) -> None:
    def light(colour: str) -> float:
        return sum(float(part) for part in colour[4:-1].split(",")) / 765

    for look in ("light", "dark"):
        opened = open_page(color_scheme=look)
        opened.show(made_report)
        lines = opened.page.locator("[data-chart=parallel] .scatterlayer path.js-line")
        best = lines.last.evaluate("each => getComputedStyle(each).stroke")
        paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert abs(light(best) - light(paper)) > 0.4, look


def test_paper_is_unfolded_and_says_nothing_of_clicks(open_page: Open, made_report: Path) -> None:
    opened = open_page()
    opened.show(made_report)
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.page.emulate_media(media="print")
    assert opened.page.locator("details:not([open])").count() == 0
    assert not any(each.is_visible() for each in opened.page.locator(".live").all())
    opened.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert opened.page.locator("details[open]").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_runs_off_the_screen(open_page: Open, report_path: Path, width: int) -> None:
    opened = open_page(viewport={"width": width, "height": 800})
    opened.show(report_path)
    opened.page.locator("details").evaluate_all("all => all.forEach((each) => (each.open = true))")
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.skipif(not AXE.exists(), reason="axe-core: npm install --prefix tests/browser")
@pytest.mark.parametrize("look", ["light", "dark"])
def test_axe_finds_no_serious_violation(open_page: Open, report_path: Path, look: str) -> None:
    opened = open_page(color_scheme=look, bypass_csp=True)
    opened.show(report_path)
    opened.page.locator("[data-cell]").first.click()
    opened.page.add_script_tag(path=AXE)
    found = opened.page.evaluate("axe.run()")
    serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
    assert [(v["id"], [n["html"][:200] for n in v["nodes"][:3]]) for v in serious] == []
    assert found["passes"]


def test_without_javascript_there_are_still_pictures(open_page: Open, report_path: Path) -> None:
    opened = open_page(java_script_enabled=False)
    opened.page.goto(report_path.as_uri())
    stills = opened.page.locator("img.still")
    assert stills.count() >= 9
    assert all(still.is_visible() for still in stills.all())
    assert not any(plot.is_visible() for plot in opened.page.locator(".plot").all())


def test_paper_gets_the_still_pictures(open_page: Open, made_report: Path) -> None:
    opened = open_page()
    opened.show(made_report)
    opened.page.emulate_media(media="print")
    assert opened.page.locator("img.still").first.is_visible()
    assert not opened.page.locator("[data-chart=history]").is_visible()


def test_dark_and_light_are_drawn_in_their_own_colours(open_page: Open, made_report: Path) -> None:
    opened = open_page(color_scheme="light")
    opened.show(made_report)
    title = opened.page.locator("[data-chart=history] .xtitle")
    light = title.evaluate("each => getComputedStyle(each).fill")
    opened.page.emulate_media(color_scheme="dark")
    expect(title).not_to_have_css("fill", light, timeout=60_000)


OPENINGS = ["", '">', "'>", "</script>", "</style>", "</title>", "-->", "]]>", "&lt;", "\\u003c"]
INSIDES = [
    "<script>alert({n})</script>",
    "<img src=x onerror=alert({n})>",
    "<svg onload=alert({n})>",
    "<a href='javascript:alert({n})'>a</a>",
    "<iframe src=javascript:alert({n})>",
    '" onfocus=alert({n}) autofocus "',
    "' onmouseover=alert({n}) '",
    "<img src=https://example.invalid/{n}>",
    "<link rel=stylesheet href=//example.invalid/{n}>",
    "<style>@import 'https://example.invalid/{n}'</style>",
    "<b style=background:url(//example.invalid/{n})>b</b>",
    "${{alert({n})}}",
    "{{{{ alert({n}) }}}}",
    "{{% include '/etc/passwd' %}}{n}",
    "%{{x}}<extra>{n}</extra>",
    "$\\href{{javascript:alert({n})}}{{x}}$",
    "<sub><span style='fill:red'>{n}</span></sub>",
    "<!--<script>{n}",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert({n})>",
    "<details open ontoggle=alert({n})>",
    "<base href=https://example.invalid/{n}>",
    "<meta http-equiv=refresh content='0;url=https://example.invalid/{n}'>",
    "<object data=https://example.invalid/{n}>",
    "<input onfocus=alert({n}) autofocus>",
    "javascript:alert({n})//",
    "@import{n}",
    "\u202e<script>alert({n})</script>",
    '\\"-alert({n})-\\"',
    "`${{alert({n})}}`",
    "__proto__{n}",
    "constructor.prototype.{n}",
    "ﾟ<script>{n}",
    "＜script＞alert({n})＜/script＞",
    "<x/onclick=alert({n})>x",
    "<video><source onerror=alert({n})>",
    "<body onload=alert({n})>",
    "<marquee onstart=alert({n})>",
    "<button formaction=javascript:alert({n})>b</button>",
    "<template><script>alert({n})</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert({n})>'>",
    "<plaintext>{n}",
    "<textarea>{n}",
    "<select><option>{n}",
    "<table><td>{n}",
    "<xmp>{n}",
    "<!DOCTYPE html>{n}",
    "<?xml version='1.0'?>{n}",
    "<![CDATA[<script>alert({n})</script>",
    "&#60;script&#62;alert({n})",
    "</main></body></html>{n}",
]
PAYLOADS = [
    opening + inside.format(n=n) for n, (opening, inside) in enumerate(product(OPENINGS, INSIDES))
]


GROUPS = [tuple(PAYLOADS[n : n + 30]) for n in range(0, len(PAYLOADS), 30)]


def _told_everywhere(run: RunFolder, names: tuple[str, ...]) -> None:
    """Let everything else that is free text be payloads too: machine, versions, another run."""
    found = read_json(run.environment)
    versions = {names[n % len(names)]: names[-1 - n % len(names)] for n in range(5)}
    told = {"processor": names[0], "commit": names[1], "started_at": names[2], "versions": versions}
    write_json(run.environment, found | told)
    model = read_json(run.retrain.description)
    start = {"run": names[3], "study": names[4], "trial": 0}
    model["provenance"] |= {"start": start, "fingerprint": names[5]}
    write_json(run.retrain.description, model)


# Then a picture of its own that cannot be shown: what earlier ones would have called, they have.
CLICK_FORTY = """async buttons => {
    for (const button of buttons.slice(0, 40)) {
        button.click();
        await new Promise(requestAnimationFrame);
    }
    const broken = new Image();
    const told = new Promise(done => { broken.onerror = done; });
    broken.src = "data:,";
    await told;
}"""


@pytest.fixture(params=[*GROUPS, tuple(PAYLOADS)], ids=lambda names: str(len(names)))
def hostile_report(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    names = request.param
    each = 6 * len(names) if len(names) > 30 else 40 * len(names)
    made = MadeRun(name=names[0], class_names=names, num_pictures=each, predicted=True)
    run = made.write(tmp_path)
    rows = read_csv(run.trials)
    reasons = [row | {"reason": names[n % len(names)]} for n, row in enumerate(rows)]
    write_csv(run.trials, list(rows[0]), reasons)
    _told_everywhere(run, names)
    run.page.write_text(page(gather(run), {}), encoding="utf-8")
    return run.page


def test_five_hundred_payloads_in_every_name_do_nothing(
    open_page: Open, hostile_report: Path
) -> None:
    assert len(PAYLOADS) == 500
    opened = open_page()
    opened.show(hostile_report)
    opened.page.locator("[data-cell]").evaluate_all(CLICK_FORTY)
    assert opened.complaints == []
    urls = [url for url in opened.requests if not url.startswith("data:")]
    assert urls == [hostile_report.as_uri()]
    assert opened.page.locator("script").count() == 3
