"""A headless Chromium for tests of pages, through Selenium."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

NEEDED = "tests of pages need Chromium and its driver: apt-get install chromium chromium-driver"
# Nothing but what a test asks for: no first run, no updates, nothing sent home.
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--force-device-scale-factor=1",
)  # fmt: skip


def program(*names: str) -> str:
    """The first of these programs that is installed. Fails, saying how to get it, where none is."""
    found = next(filter(None, map(shutil.which, names)), None)
    assert found is not None, f"none of {', '.join(names)} is installed; {NEEDED}"
    return found


class Browser:
    """A browser with what tests ask of it."""

    def __init__(self, folder: Path) -> None:
        options = Options()
        options.binary_location = program("chromium", "chromium-browser", "google-chrome")
        for flag in (*FLAGS, f"--user-data-dir={folder}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(program("chromedriver", "chromium-driver")))
        self.driver.set_script_timeout(30)

    def size(self, width: int, height: int = 900) -> None:
        """The size of what is seen of a page, in pixels; a window itself cannot be as narrow as a telephone."""
        given = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", given)

    def scheme(self, name: str) -> None:
        """What the system is said to prefer: `light` or `dark`."""
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": name}]})

    def open(self, url: str) -> None:
        """Load a page and wait until it says that it is ready."""
        self.logs()
        self.driver.get(url)
        self.wait("nasReport.ready")

    def js(self, code: str, *given: Any) -> Any:
        """The value of an expression; `arguments` has what is given."""
        return self.driver.execute_script(f"return ({code})", *given)

    def wait(self, promise: str, *given: Any) -> Any:
        """What a promise resolves to."""
        code = f"""const done = arguments[arguments.length - 1];
            Promise.resolve({promise}).then(() => done('done'), (error) => done(String(error)));"""
        assert (told := self.driver.execute_async_script(code, *given)) == "done", told

    def logs(self) -> list[str]:
        """What was said on the console since the last call; violations of the page's policy among it."""
        return [f"{entry['level']}: {entry['message']}" for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]

    def shot(self, path: Path) -> None:
        """A picture of what is seen."""
        self.driver.save_screenshot(str(path))

    def close(self) -> None:
        """End the browser."""
        self.driver.quit()
