"""The README's block of Python, run as it stands but for the address."""

import pathlib
import re
import subprocess
import sys
import unittest

from server import Server

README = pathlib.Path(__file__).parents[2] / "README.md"


class Readme(unittest.TestCase):
    def test_python_socketio_connects_as_shown(self):
        blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text("utf-8"), re.M | re.S)
        self.assertEqual(len(blocks), 1)
        server = Server()
        self.addCleanup(server.kill)
        code = blocks[0].replace("http://127.0.0.1:8080", server.url)
        self.assertNotEqual(code, blocks[0])
        finished = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        # The message is printed by another thread: lines may run into each other.
        self.assertEqual(finished.stdout.count("OK"), 2, finished.stdout)


if __name__ == "__main__":
    unittest.main()
