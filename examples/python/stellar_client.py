"""A client written from docs/protocol, with Python's standard library alone. It speaks over a WebSocket, and by polling.

    cargo run -- serve --demo
    python3 examples/python/stellar_client.py http://127.0.0.1:8080
"""

import base64
import hashlib
import http.client
import itertools
import json
import os
import queue
import socket
import struct
import sys
import threading
from urllib.parse import urlsplit


class Closed(Exception):
    """The server has ended the connection, with this close code and text."""

    def __init__(self, code, text=""):
        super().__init__(f"closed with {code} {text}".strip())
        self.code, self.text = code, text


class WebSocket:
    """One WebSocket (RFC 6455): whole text and binary messages, no extensions."""

    def __init__(self, url, path, headers=(), timeout=60):
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout)
        key = base64.b64encode(os.urandom(16)).decode()
        head = [f"GET {path} HTTP/1.1", f"Host: {address.netloc}", "Connection: Upgrade", "Upgrade: websocket"]
        head += [f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *headers, "", ""]
        self._socket.sendall("\r\n".join(head).encode())
        self._input = self._socket.makefile("rb")
        status = self._input.readline().decode().split(" ", 2)
        answer = http.client.parse_headers(self._input)
        if status[1] != "101":
            body = self._input.read(int(answer.get("Content-Length", 0)))
            raise ConnectionError(f"{status[1]}: {body.decode()}")
        proof = hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()
        if answer["Sec-WebSocket-Accept"] != base64.b64encode(proof).decode():
            raise ConnectionError("the server is no WebSocket server")

    def send(self, message):
        """Sends a text, or bytes."""
        if isinstance(message, str):
            self._frame(0x1, message.encode())
        else:
            self._frame(0x2, message)

    def receive(self):
        """The next message. Raises `Closed` at the end."""
        message, kind = b"", None
        while True:
            opcode, is_last, payload = self._read_frame()
            if opcode == 0x8:
                self._frame(0x8, payload[:2])
                code = struct.unpack(">H", payload[:2])[0] if payload else 1005
                raise Closed(code, payload[2:].decode())
            if opcode == 0x9:
                self._frame(0xA, payload)
            elif opcode != 0xA:
                kind = kind or opcode
                message += payload
                if is_last:
                    return message.decode() if kind == 0x1 else message

    def close(self):
        """Says good-bye, and waits for the server to do so too."""
        self._frame(0x8, struct.pack(">H", 1000))
        try:
            while True:
                if self._read_frame()[0] == 0x8:
                    break
        except (Closed, OSError):
            pass
        self._socket.close()

    def _frame(self, opcode, payload):
        # A client's frames are masked.
        size, mask = len(payload), os.urandom(4)
        if size < 126:
            head = struct.pack(">BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack(">BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack(">BBQ", 0x80 | opcode, 0x80 | 127, size)
        self._socket.sendall(head + mask + bytes(a ^ b for a, b in zip(payload, itertools.cycle(mask))))

    def _read_frame(self):
        head, size = self._exactly(2)
        if size == 126:
            size = struct.unpack(">H", self._exactly(2))[0]
        elif size == 127:
            size = struct.unpack(">Q", self._exactly(8))[0]
        return head & 0x0F, bool(head & 0x80), self._exactly(size)

    def _exactly(self, size):
        data = self._input.read(size)
        if len(data) < size:
            raise Closed(1006)
        return data


class Polling:
    """An engine.io 4 session by long polling: a GET that is held, and a POST for what is sent."""

    def __init__(self, url, path="/engine.io/", timeout=60):
        self._address, self._path, self._timeout = urlsplit(url), path, timeout
        self._sid = None
        self._received = []
        packet = self._request("GET")
        self.opened = json.loads(packet.split("\x1e")[0][1:])
        self._sid = self.opened["sid"]
        self._received += packet.split("\x1e")[1:]

    def send(self, message):
        """Sends a text, or bytes."""
        self._post("4" + message if isinstance(message, str) else "b" + base64.b64encode(message).decode())

    def receive(self):
        """The next message. Raises `Closed` at the end."""
        while True:
            while not self._received:
                self._received += self._request("GET").split("\x1e")
            packet = self._received.pop(0)
            if packet[0] == "4":
                return packet[1:]
            if packet[0] == "b":
                return base64.b64decode(packet[1:])
            if packet[0] == "2":
                self._post("3" + packet[1:])
            elif packet[0] == "1":
                raise Closed(1005)

    def close(self):
        """Says good-bye."""
        self._post("1")

    def _post(self, packet):
        self._request("POST", packet.encode())

    def _request(self, method, body=None):
        connection = http.client.HTTPConnection(self._address.hostname, self._address.port, timeout=self._timeout)
        session = f"&sid={self._sid}" if self._sid else ""
        connection.request(method, f"{self._path}?EIO=4&transport=polling{session}", body)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            raise Closed(1006, text)
        return text


class Client:
    """Stellar packets over a link: anything with `send`, `receive` and `close`."""

    def __init__(self, link, timeout=60):
        self.pushes = queue.Queue()
        self._link, self._timeout = link, timeout
        self._lock, self._last, self._waiting = threading.Lock(), 0, {}
        threading.Thread(target=self._read, daemon=True).start()

    def request(self, verb, **keys):
        """Sends a packet and waits for its answer."""
        answer = queue.Queue()
        with self._lock:
            # The server counts packets as they arrive, so numbers are given in the order of sending.
            self._last += 1
            self._waiting[self._last] = answer
            self._link.send(json.dumps({"event": verb, **keys}))
        packet = answer.get(timeout=self._timeout)
        if isinstance(packet, Exception):
            raise packet
        return packet

    def action(self, name, **params):
        """Calls an action."""
        return self.request("action", params={**params, "action": name})

    def close(self):
        """Ends the connection."""
        self._link.close()

    def _read(self):
        try:
            while True:
                packet = json.loads(self._link.receive())
                if isinstance(packet, str):
                    self._control(packet)
                elif packet.get("context") == "response":
                    self._waiting.pop(packet["messageCount"]).put(packet)
                else:
                    self.pushes.put(packet)
        except (Closed, OSError) as end:
            for answer in self._waiting.values():
                answer.put(end)
            self.pushes.put(end)

    def _control(self, text):
        if text.startswith("primus::ping::"):
            self._link.send(json.dumps(text.replace("ping", "pong", 1)))


def tour(link):
    """Connects, joins a room, talks there, and calls an action."""
    client = Client(link)
    print(client.pushes.get(timeout=60)["welcome"])
    me = client.request("detailsView")["data"]["id"]
    print("joined:", client.request("roomAdd", room="defaultRoom")["status"])
    print("said:", client.request("say", room="defaultRoom", message={"hello": "world"})["status"])
    said = client.pushes.get(timeout=60)
    print("heard:", said["message"], "from me" if said["from"] == me else "from somebody else")
    event = {"room": "defaultRoom", "event": "wave", "data": [1, 2]}
    print("raised:", client.request("event", params=event)["status"])
    print("heard:", client.pushes.get(timeout=60)["message"])
    print("action:", client.action("formattedSum", a=3, b=4)["formatted"])
    print("refused:", client.action("formattedSum", a=3)["error"])
    client.close()


if __name__ == "__main__":
    server = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:8080"
    for link in (WebSocket(server, "/ws"), WebSocket(server, "/primus"), Polling(server)):
        tour(link)
