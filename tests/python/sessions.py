"""The sessions of docs/protocol, played against a server. docs/protocol/README.md tells how they are written."""

import http.client
import itertools
import pathlib
import re
import sys
import threading
from urllib.parse import urlsplit

ROOT = pathlib.Path(__file__).parents[2]
sys.path.append(str(ROOT / "examples/python"))

from stellar_client import Closed, Polling, WebSocket, tour  # noqa: E402, F401

LIMIT = 60
SEPARATOR = "\u241e"


class Mismatch(AssertionError):
    """The server says something else than the document."""


def sessions(document):
    """The sessions of a document: the line where each begins, its options, and its lines."""
    lines = document.read_text("utf-8").split("\n")
    numbers = iter(range(len(lines)))
    for start in numbers:
        if not lines[start].startswith("```session"):
            continue
        end = next(at for at in numbers if lines[at] == "```")
        yield start + 1, lines[start].split()[1:], lines[start + 1 : end]


class Session:
    """Who takes part, and what was found out about ids and the like."""

    def __init__(self, url):
        self._url, self._found, self._parties = url, {}, {}

    def play(self, lines):
        """Sends what is to be sent, and compares what comes back."""
        for (name, sign), group in itertools.groupby(self._said(lines), lambda said: said[0]):
            texts = [text for _, text in group]
            if sign == "=":
                for text in texts:
                    self._parties[name] = Link(self._url, self._filled(text))
                continue
            party = self._parties.get(name)
            if isinstance(party, Link):
                for text in texts:
                    party.send(self._filled(text)) if sign == ">" else self._compare(text, party.receive(text))
            elif sign == ">":
                self._parties[name] = Exchange(self._url, [self._filled(text) for text in texts])
            else:
                self._compare_answer(texts, party.answer())
        for party in self._parties.values():
            party.close()

    def _said(self, lines):
        """Who says what. An empty line belongs to whoever spoke last."""
        speaker = None
        for line in lines:
            found = re.match(r"([A-Z]?) ?([><=]) (.*)", line)
            if found:
                speaker = found.groups()[:2]
            elif line or not speaker:
                raise Mismatch(f"not a line of a session: {line}")
            yield speaker, found.group(3) if found else ""

    def _filled(self, text):
        text = re.sub(r"<(\w+)>", lambda name: self._found.get(name.group(1), name.group()), text)
        return text.replace(SEPARATOR, "\x1e")

    def _compare(self, expected, got):
        """`…` stands for anything, `<name>` for what is remembered under this name."""
        got = got.replace("\x1e", SEPARATOR)
        names, pattern = [], ""
        for part in re.split(r"(…|<\w+>)", expected):
            if part == "…":
                pattern += "(?s:.*)"
            elif re.fullmatch(r"<\w+>", part):
                known = self._found.get(part[1:-1])
                names += [] if known else [part[1:-1]]
                pattern += re.escape(known) if known else r'([^"&,;}\s]+)'
            else:
                pattern += re.escape(part)
        found = re.fullmatch(pattern, got)
        if not found:
            raise Mismatch(f"expected {expected}\n     got {got}")
        self._found.update(zip(names, found.groups()))

    def _compare_answer(self, lines, answer):
        status, headers, body = answer
        self._compare(lines[0], str(status))
        end = lines.index("") if "" in lines else len(lines)
        for line in lines[1:end]:
            name, value = line.split(": ", 1)
            self._compare(value, headers.get(name) or "")
        if end < len(lines):
            self._compare("\n".join(lines[end + 1 :]), body)


class Link:
    """A WebSocket: `ws /path`, and headers behind bars."""

    def __init__(self, url, text):
        path, *headers = text.removeprefix("ws ").split(" | ")
        self._socket = WebSocket(url, path, headers, LIMIT)

    def send(self, text):
        if text == "close":
            self._socket.close()
        else:
            self._socket.send(bytes.fromhex(text[4:]) if text.startswith("hex ") else text)

    def receive(self, expected):
        while True:
            try:
                message = self._socket.receive()
            except Closed as end:
                return f"close {end.code} {end.text}".rstrip()
            if isinstance(message, bytes):
                return f"hex {message.hex()}"
            # A heartbeat comes when it comes.
            if not message.startswith('"primus::ping') or "ping" in expected:
                return message

    def close(self):
        self._socket._socket.close()


class Exchange:
    """A request, and its answer once that has come."""

    def __init__(self, url, lines):
        self._request, self._answer = (url, lines), None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        url, lines = self._request
        try:
            method, path = lines[0].split(" ")
            end = lines.index("") if "" in lines else len(lines)
            headers = dict(line.split(": ", 1) for line in lines[1:end])
            body = "\n".join(lines[end + 1 :])
            connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=LIMIT)
            connection.request(method, path, bytes.fromhex(body[4:]) if body.startswith("hex ") else body.encode(), headers)
            answer = connection.getresponse()
            data = answer.read()
            is_text = "octet-stream" not in (answer.headers.get("Content-Type") or "")
            self._answer = answer.status, answer.headers, data.decode() if is_text else f"hex {data.hex()}"
            connection.close()
        except Exception as error:  # noqa: BLE001
            self._answer = error

    def answer(self):
        self._thread.join(LIMIT)
        if self._answer is None:
            raise Mismatch(f"no answer to {self._request[1][0]}")
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def close(self):
        pass
