"""Photograph a report in headless Chromium: `python scripts/screenshots.py REPORT.html [FOLDER]`.

Makes the three pictures of docs/figures: a phone, a desktop, and a desktop in the dark.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

SHOTS = {
    "report-375.png": {"viewport": {"width": 375, "height": 1500}, "color_scheme": "light"},
    "report-1440.png": {"viewport": {"width": 1440, "height": 1700}, "color_scheme": "light"},
    "report-dark.png": {"viewport": {"width": 1440, "height": 1700}, "color_scheme": "dark"},
}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def main(report: Path, folder: Path, *, whole: bool) -> None:
    """Write the pictures; `whole` takes the page from top to bottom."""
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for name, look in SHOTS.items():
            page = browser.new_context(**look).new_page()  # type: ignore[arg-type] # as documented
            page.goto(report.resolve().as_uri())
            page.wait_for_selector("html[data-drawn]")
            page.screenshot(path=folder / name, full_page=whole)
        browser.close()


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--whole"]
    target = Path(words[1]) if len(words) > 1 else Path("docs/figures")
    main(Path(words[0]), target, whole="--whole" in sys.argv)
