"""Clients of `python-engineio`."""

import json
import threading
import time

import engineio

LIMIT = 60

# By default the client gives up over 16 packets in one answer.
engineio.payload.Payload.max_decode_packets = 100_000


def until(condition, what):
    """Waits for a condition. Only a failing test reaches the limit."""
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {LIMIT} s for {what}")
        time.sleep(0.005)


class Client(engineio.Client):
    """Keeps `packets`, all messages that came, in order, `pings`, how often it was pinged, and `ended`, why it ended."""

    def __init__(self, url, door, transports):
        super().__init__(handle_sigint=False)
        self.packets = []
        self.ended = []
        self.sent = 0
        self.pings = 0
        self.arrival = threading.Condition()
        self.on("message", self.take)
        self.on("disconnect", self.ended.append)
        self.connect(url, transports=transports, engineio_path=door)

    def start_background_task(self, target, *args, **kwargs):
        # Each message would be given to a thread of its own, and their order would tell nothing about that of messages.
        if target == self.handlers.get("message"):
            return target(*args)
        return super().start_background_task(target, *args, **kwargs)

    def _receive_packet(self, pkt):
        self.pings += pkt.packet_type == engineio.packet.PING
        super()._receive_packet(pkt)

    def settle(self):
        """Waits until its writer waits. One that is busy when `disconnect` is called forgets to say that it goes."""
        until(lambda: self.queue.not_empty._waiters, "the writer to be idle")

    def take(self, packet):
        if isinstance(packet, str) and packet.startswith("primus::ping::"):
            # What a Primus client does. It is not counted.
            self.send(json.dumps(packet.replace("ping", "pong", 1)))
            return
        with self.arrival:
            self.packets.append(packet)
            self.arrival.notify_all()

    def first(self, wanted, what):
        """The first packet that is wanted, now or later."""
        seen = 0

        def look():
            nonlocal seen
            while seen < len(self.packets):
                packet = self.packets[seen]
                seen += 1
                if wanted(packet):
                    return packet
            return None

        with self.arrival:
            found = self.arrival.wait_for(look, LIMIT)
        if found is None:
            raise AssertionError(f"waited {LIMIT} s for {what}; ended: {self.ended}")
        return found

    def tell(self, event, **fields):
        self.send(json.dumps({"event": event, **fields}, ensure_ascii=False))
        self.sent += 1
        return self.sent

    def response(self, number):
        return self.first(lambda packet: packet.get("messageCount") == number, f"the response {number}")

    def ask(self, event, **fields):
        """Sends a packet, gives its response, matched by number."""
        return self.response(self.tell(event, **fields))

    def responses(self):
        return [packet["messageCount"] for packet in list(self.packets) if packet.get("context") == "response"]

    def said(self):
        """What the rooms have told so far."""
        return [packet["message"] for packet in list(self.packets) if packet.get("context") == "user"]
