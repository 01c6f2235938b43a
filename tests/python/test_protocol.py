"""What docs/protocol shows is what the server does, and enough to write a client."""

import contextlib
import io
import unittest

from server import Server
from sessions import ROOT, Polling, Session, WebSocket, sessions, tour


class Protocol(unittest.TestCase):
    def test_every_session_goes_as_it_is_written(self):
        servers = {}
        played = 0
        for document in sorted((ROOT / "docs/protocol").glob("*.md")):
            for line, options, lines in sessions(document):
                config = "\n".join(options)
                if config not in servers:
                    servers[config] = Server(config)
                    self.addCleanup(servers[config].kill)
                with self.subTest(document=document.name, line=line):
                    Session(servers[config].url).play(lines)
                    played += 1
        self.assertGreater(played, 10)

    def test_the_client_of_the_example_makes_its_tour_over_each_link(self):
        server = Server()
        self.addCleanup(server.kill)
        for link in (WebSocket(server.url, "/ws"), WebSocket(server.url, "/primus"), Polling(server.url)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                tour(link)
            self.assertIn("action: 3 + 4 = 7", said.getvalue())
            self.assertIn("from me", said.getvalue())


if __name__ == "__main__":
    unittest.main()
