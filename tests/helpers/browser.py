"""A real browser without a window: Debian's chromium, driven by its chromedriver over WebDriver's plain HTTP.

Its pages may ask this machine alone: names of other hosts are not resolved.
"""

import base64
import json
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--window-size=1400,1000",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
_START_SECONDS = 30
_COMMAND_SECONDS = 60

# Nested shadow roots hide most of TensorBoard's page from selectors: this looks into all of them.
_EVERYWHERE = """
function everywhere(selector, root = document) {
  const found = [...root.querySelectorAll(selector)];
  for (const one of root.querySelectorAll('*')) if (one.shadowRoot) found.push(...everywhere(selector, one.shadowRoot));
  return found;
}
function seen(element) {
  const box = element.getBoundingClientRect();
  return box.width > 0 && box.height > 0 && element.checkVisibility({visibilityProperty: true});
}
"""


def skip_without_browser() -> None:
    """Skips the test where chromium and its driver are not installed."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs a browser: {' and '.join(missing)} not found (Debian: chromium, chromium-driver)")


class Browser:
    """One window.

    Args:
        session: its address at the driver.
    """

    def __init__(self, session: str) -> None:
        self._session = session

    def open(self, url: str) -> None:
        _command(f"{self._session}/url", {"url": url})

    def run(self, script: str) -> Any:
        """What a script returns; it may call `everywhere(selector)` and `seen(element)`."""
        return _command(f"{self._session}/execute/sync", {"script": _EVERYWHERE + script, "args": []})

    def wait_for(self, script: str, seconds: float = 60) -> Any:
        """What a script returns as soon as that is true of something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.run(script)
            if found:
                return found
            time.sleep(0.2)
        raise AssertionError(
            f"after {seconds} s there is still nothing: {script.strip()}\nthe page: {self.text()[:2000]}"
        )

    def text(self) -> str:
        """All words that can be seen."""
        found: str = self.run(
            "return everywhere('body, *').filter(e => e.shadowRoot === null && e.children.length === 0"
            " && seen(e)).map(e => e.textContent.trim()).filter(t => t).join(' | ')"
        )
        return found

    def screenshot(self) -> bytes:
        """The page as a PNG."""
        return base64.b64decode(_command(f"{self._session}/screenshot"))

    def errors(self) -> list[str]:
        """What the console has been told of as errors since this was asked last."""
        entries = _command(f"{self._session}/se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def requested(self) -> list[str]:
        """The addresses that pages have asked for since this was asked last."""
        messages = [
            json.loads(one["message"])["message"]
            for one in _command(f"{self._session}/se/log", {"type": "performance"})
        ]
        return [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]


@contextmanager
def browsing(profile: Path) -> Iterator[Browser]:
    """A browser with a new profile.

    Args:
        profile: an empty folder.
    """
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        address = f"http://127.0.0.1:{_port_of(driver)}"
        options = {"binary": shutil.which("chromium"), "args": [*_FLAGS, f"--user-data-dir={profile}"]}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        session = _command(f"{address}/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        try:
            yield Browser(f"{address}/session/{session}")
        finally:
            _command(f"{address}/session/{session}", method="DELETE")
    finally:
        driver.terminate()
        driver.wait(timeout=10)
        assert driver.stdout is not None
        driver.stdout.close()


def _port_of(driver: subprocess.Popen[str]) -> int:
    assert driver.stdout is not None
    end = time.monotonic() + _START_SECONDS
    for line in driver.stdout:
        if "started successfully on port" in line:
            return int(line.rstrip(". \n").rpartition(" ")[2])
        assert time.monotonic() < end
    raise AssertionError("chromedriver ended before it had a port")


def _command(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_COMMAND_SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"chromedriver refuses {url}: {error.read().decode()[:2000]}") from error
