"""A headless Chromium, controlled through its DevTools protocol over a pipe."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

CHROMIUM = shutil.which(os.environ.get("CHROMIUM", "chromium"))

# How long `wait_for` waits for a page.
TIMEOUT_S = 60.0


class Browser:
    """One tab of a browser, within a `with` block."""

    def __init__(self, *, width: int = 1280, height: int = 1000) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command_read, self._commands = os.pipe()
        answers, answer_write = os.pipe()
        # Chromium reads commands from descriptor 3 and writes answers to 4.
        self._process = subprocess.Popen(
            [
                *("bash", "-c", f'exec "$@" 3<&{command_read} 4>&{answer_write}', "bash", str(CHROMIUM)),
                *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--hide-scrollbars"),
                *("--disable-lcd-text", "--font-render-hinting=none"),
                *(f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}"),
            ],
            pass_fds=(command_read, answer_write),
            stderr=subprocess.DEVNULL,
        )
        os.close(command_read)
        os.close(answer_write)
        self._answers = os.fdopen(answers, "rb")
        self._ids = itertools.count(1)
        self._session = ""

    def __enter__(self) -> Self:
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()
        os.close(self._commands)
        self._profile.cleanup()

    def open(self, url: str) -> None:
        """Open a URL, and wait until the page has loaded."""
        self._call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete'")

    def press(self, selector: str) -> None:
        """Click on the element that `selector` finds, as soon as it exists and is enabled."""
        found = f"document.querySelector({json.dumps(selector)})"
        self.wait_for(f"{found} && !{found}.disabled")
        self.evaluate(f"{found}.click()")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """Wait until an expression's value is truthy, and return it."""
        deadline = time.monotonic() + TIMEOUT_S
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{expression} did not become true; the page:\n{self.text()}")
            time.sleep(0.1)
        return value

    def text(self) -> str:
        """All visible text of the page."""
        return str(self.evaluate("document.body ? document.body.innerText : ''"))

    def screenshot(self, file: Path, *, scheme: str) -> None:
        """Save a screenshot of the whole page, in the color scheme `light` or `dark`."""
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        answer = self._call("Page.captureScreenshot", captureBeyondViewport=True, clip={**size, "scale": 1})
        file.write_bytes(base64.b64decode(answer["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        command = {"id": number, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> bytes:
        text = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            if not byte:
                raise RuntimeError("Chromium ended")
            text += byte
        return bytes(text)
