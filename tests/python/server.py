"""The real server as a child process, with its demo actions and rooms."""

import os
import re
import signal
import subprocess
import tempfile
import threading
import urllib.request
from pathlib import Path

BIN = os.environ.get("STELLAR_BIN") or str(Path(__file__).parents[2] / "target/debug/stellar")
LIMIT = 60


class Server:
    """A server on a port that the system chooses, or on one that it chose before. `config` is the text of a
    configuration file."""

    def __init__(self, config="", listen="127.0.0.1:0"):
        self.folder = tempfile.TemporaryDirectory(prefix="stellar-python-")
        file = Path(self.folder.name) / "stellar.toml"
        file.write_text(config)
        command = [BIN, "serve", "--demo", "--listen", listen, "--config", str(file)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        watchdog = threading.Timer(LIMIT, self.process.kill)
        watchdog.start()
        output = ""
        self.url = None
        for line in self.process.stdout:
            output += line
            ready = re.search(r"http://127\.0\.0\.1:\d+", line)
            if ready:
                self.url = ready.group()
                break
        watchdog.cancel()
        if not self.url:
            self.kill()
            raise RuntimeError(f"the server did not start within {LIMIT} s: {output}")
        # What it says later must not fill the pipe.
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        """Asks it to stop. Gives the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT)

    def kill(self):
        self.process.kill()
        self.process.wait(LIMIT)
        self.process.stdout.close()
        self.folder.cleanup()

    def metric(self, name):
        """One value of `/metrics`, 0 where nothing was counted yet."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=LIMIT) as answer:
            text = answer.read().decode()
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found.group(1)) if found else 0
