"""How long a report takes to write, and its page to open: `python benchmarks/report.py RUN`.

The clock of the first runs over the whole process of `nas report`; that of the second from the
request for the page to its first answer to a click, and to its last drawn chart, in headless
Chromium. Medians with range; needs the dev extra and Debian's chromium.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

from measuring import describe_machine, nas, spread, write_result

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/report.json"))
    given = parser.parse_args()
    written, answers, drawn = [], [], []
    for _ in range(given.turns):
        started = time.monotonic()
        nas("report", "--run", given.run)
        written.append(time.monotonic() - started)
        answer, last = opened(given.run / "report.html")
        answers.append(answer)
        drawn.append(last)
    size = (given.run / "report.html").stat().st_size
    figures = {"write_s": written, "interactive_s": answers, "drawn_s": drawn}
    result = {"size_bytes": size, **{name: spread(values) for name, values in figures.items()}}
    print(result)
    command = " ".join(["benchmarks/report.py", *sys.argv[1:]])
    write_result(given.out, {"command": command, **result, **describe_machine()})


def opened(page_file: Path) -> tuple[float, float]:
    """Return the seconds until a click is answered, and until every chart is drawn."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        started = time.monotonic()
        page.goto(page_file.resolve().as_uri(), wait_until="commit")
        page.wait_for_selector("html.js", state="attached")  # earlier, nobody hears a click
        page.locator("#board thead button").first.click()
        page.locator("#board thead th:first-child[aria-sort]").wait_for()
        answer = time.monotonic() - started
        page.wait_for_selector("html[data-drawn]")
        last = time.monotonic() - started
        browser.close()
    return answer, last


if __name__ == "__main__":
    main()
