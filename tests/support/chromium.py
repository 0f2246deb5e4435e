"""A headless Chromium, told what to do over a pipe by its own protocol: no package is needed.

https://chromedevtools.github.io/devtools-protocol/ has the methods.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PROGRAM = next(filter(None, map(shutil.which, NAMES)), None)
FLAGS = (
    "--headless=new",
    "--no-sandbox",  # a container's root has none
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE = 300
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27}


class Page:
    """One page of a browser of its own, which ends with `close`.

    Args:
        profile: a folder for the browser's data.
    """

    def __init__(self, profile: Path) -> None:
        assert PROGRAM is not None
        theirs, self._to = os.pipe()
        self._from, ends = os.pipe()
        # it reads from its descriptor 3 and writes to 4, which may be taken here
        down, up = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (theirs, ends))
        command = [PROGRAM, *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        self._browser = subprocess.Popen(
            ["bash", "-c", f'exec "$0" "$@" 3<&{down} 4>&{up}', *command],
            pass_fds=(down, up),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in (theirs, ends, down, up):
            os.close(each)
        self._count, self._rest = 0, b""
        self.events: list[dict[str, Any]] = []
        self._session = ""
        targets = self.tell("Target.getTargets")["targetInfos"]
        target = next(each["targetId"] for each in targets if each["type"] == "page")
        attached = self.tell("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network"):
            self.tell(f"{domain}.enable")

    def tell(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and give its result; what happens meanwhile is added to `events`."""
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._count:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], PATIENCE)
            assert ready, f"the browser said nothing for {PATIENCE} s"
            read = os.read(self._from, 1 << 20)
            assert read, "the browser ended"
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        return json.loads(line)

    def open(self, file: Path, fragment: str = "") -> None:
        """Open a file and wait until it is loaded."""
        for url in ("about:blank", f"{file.as_uri()}{fragment}"):  # a new document, always
            self.events.clear()
            self.tell("Page.navigate", url=url)
            while not any(event["method"] == "Page.loadEventFired" for event in self.events):
                self.events.append(self._next())

    def look(self, width: int = 1400, height: int = 900, dark: bool = False) -> None:
        """Set the window's size and the colour scheme that the user prefers."""
        self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.tell("Emulation.setEmulatedMedia", features=[scheme])

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited where it is a promise."""
        answer = self.tell(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        code = KEYS[key]
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            down = text if kind == "keyDown" else {}
            self.tell(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, **down
            )

    def type(self, text: str) -> None:
        self.tell("Input.insertText", text=text)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self.tell("Page.captureScreenshot")["data"]))

    def close(self) -> None:
        """End the browser, which may be gone before it answers."""
        os.write(self._to, b'{"id": 0, "method": "Browser.close"}\0')
        try:
            self._browser.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._browser.kill()
            self._browser.wait()
        os.close(self._to)
        os.close(self._from)
