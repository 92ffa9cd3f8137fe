"""A sweep in TensorBoard and its report, in a real browser: what the pages draw, and that they do without a network.

LABKERAS_SCREENSHOTS=docs/screenshots pytest tests/experiment/boards/test_in_a_browser.py    renews the pictures there
"""

import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from labkeras.experiment.boards.server import serving
from tests.experiment.boards.conftest import SCREENSHOTS
from tests.helpers.browser import Browser, browsing, skip_without_browser

pytestmark = pytest.mark.slow

_MOST_BYTES = 200_000
_SETTLING = 1.0 if SCREENSHOTS in os.environ else 0.0  # what moves into its place shall be there in a picture

# A line in a chart has more than one point, of which the last is not the first.
_LINES = """
  const charts = everywhere(CHART).filter(seen);
  const drawn = charts.filter(chart => everywhere('path', chart.shadowRoot || chart).some(
    path => /L/.test(path.getAttribute('d') || '') && path.getBBox().width > 20));
  return drawn.length;
"""
_IMAGES = """
  return everywhere('img').filter(seen).filter(img => {
    if (!img.complete || img.naturalWidth < 50) return false;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [img.naturalWidth, img.naturalHeight];
    const context = canvas.getContext('2d');
    context.drawImage(img, 0, 0);
    const values = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(values).size > 5;
  }).length;
"""
_LAYERS = """
  const [svg] = everywhere('svg#svg').filter(seen);
  if (!svg) return 0;
  const readable = everywhere('text', svg).filter(text => text.getBoundingClientRect().height > 6);  // it grows
  const names = readable.map(text => text.textContent.trim());
  return ['conv1', 'conv2', 'h1', 'out'].filter(name => names.some(found => found.startsWith(name))).length;
"""
_ROWS = """
  const cells = everywhere('vaadin-grid-cell-content').filter(seen).map(cell => cell.textContent.trim());
  return cells.filter(text => /^0\\.[0-9]{2,}$/.test(text)).length;
"""
_POINTS = """
  const [outer] = everywhere('iframe').filter(seen);
  const [frame] = outer ? everywhere('iframe', outer.contentDocument) : [];
  const words = frame ? everywhere('*', frame.contentDocument).map(one => one.textContent) : [];
  return words.filter(text => /Points:\\s*[1-9]/.test(text)).length;
"""


@dataclass(frozen=True)
class Page:
    """A tab, and a script that counts what is drawn there."""

    tab: str
    drawn: str
    least: int = 1


PAGES = [
    Page("scalars", _LINES.replace("CHART", "'vz-line-chart2'"), 2),
    Page("timeseries", "return everywhere('scalar-card, histogram-card, image-card').filter(seen).length", 2),
    Page("custom_scalars", _LINES.replace("CHART", "'vz-line-chart2'"), 2),
    Page("images", _IMAGES, 2),
    Page("graphs", _LAYERS, 4),
    Page("distributions", _LINES.replace("CHART", "'vz-distribution-chart'"), 2),
    Page("histograms", _LINES.replace("CHART", "'vz-histogram-timeseries'"), 2),
    Page("text", "return everywhere('tf-text-loader, tf-markdown-view').filter(seen).length", 2),
    Page("pr_curves", _LINES.replace("CHART", "'vz-line-chart2'"), 2),
    Page("hparams", _ROWS, 6),
    Page("projector", _POINTS),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    skip_without_browser()
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where screenshots go: to where somebody wants them, or to where nobody looks."""
    folder = Path(os.environ.get(SCREENSHOTS, tmp_path / "screenshots")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_each_tab_draws_what_the_sweep_has_and_asks_this_machine_alone(
    browser: Browser, sweep_folder: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sweep_folder.parents[3])
    with serving(sweep_folder.relative_to(Path.cwd()), port=0, once=True) as address:
        browser.requested()
        for page in PAGES:
            browser.open(f"{address}?tab={page.tab}#{page.tab}")  # with another address: else the page stays as it is
            browser.wait_for(f"const drawn = (() => {{ {page.drawn} }})(); return drawn >= {page.least}")
            time.sleep(_SETTLING)
            keep(browser, pictures / f"{page.tab}.png")
            assert browser.errors() == []
        elsewhere = [url for url in browser.requested() if not url.startswith((address, "data:", "blob:", "chrome:"))]
        assert elsewhere == []


def test_hparams_draws_a_line_for_each_trial(browser: Browser, sweep_folder: Path, pictures: Path) -> None:
    trials = len([*sweep_folder.glob("[0-9]*")])
    with serving(sweep_folder, port=0, once=True) as address:
        browser.open(f"{address}?lines#hparams")
        find = "everywhere('paper-tab').filter(seen).find(tab => /parallel/i.test(tab.textContent))"
        browser.wait_for(f"const tab = {find}; tab && tab.click(); return Boolean(tab)")
        lines = "everywhere('path').filter(seen).filter(path => path.getTotalLength() > 200).length"
        browser.wait_for(f"return {lines} >= {min(2, trials)}")
        keep(browser, pictures / "hparams_parallel.png")
        assert browser.errors() == []


def test_the_report_draws_its_charts(browser: Browser, sweep_folder: Path, pictures: Path) -> None:
    browser.requested()
    browser.open((sweep_folder / "report.html").as_uri())
    lines = "everywhere('svg .best-line, svg polyline').filter(seen).filter(line => line.getTotalLength() > 50).length"
    browser.wait_for(f"return {lines} >= 3")  # the best so far, and a learning curve of each trial that is done
    keep(browser, pictures / "report.png")
    assert browser.errors() == []
    assert all(url.startswith(("file:", "data:", "chrome:")) for url in browser.requested())


def keep(browser: Browser, path: Path) -> None:
    """A screenshot in few colours: small enough for a repository."""
    image = Image.open(io.BytesIO(browser.screenshot())).convert("RGB")
    image.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    assert path.stat().st_size < _MOST_BYTES
