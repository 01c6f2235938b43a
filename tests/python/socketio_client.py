"""Clients of `python-socketio`."""

import queue
import threading

import engineio
import socketio

from client import LIMIT, until

# The names of what the server sends that is no answer to an ack, and the context of such packets.
PUSHES = {"welcome": "api", "response": "response", "say": "user", "alert": "alert", "api": "api"}


class InOrder(engineio.Client):
    """Hands on messages one after the other. By default each gets a thread of its own, and their order is lost."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pings = 0
        self.waiting = queue.Queue()
        super().start_background_task(self.hand_on)

    def hand_on(self):
        while True:
            target, args = self.waiting.get()
            target(*args)

    def start_background_task(self, target, *args, **kwargs):
        if target == self.handlers.get("message"):
            return self.waiting.put((target, args))
        return super().start_background_task(target, *args, **kwargs)

    def _receive_packet(self, pkt):
        self.pings += pkt.packet_type == engineio.packet.PING
        super()._receive_packet(pkt)


class Client(socketio.Client):
    """Keeps `packets`, those of all events that came, in order, and `story`, what happened to its connection."""

    def __init__(self, url, transports, serializer="default"):
        delays = {"reconnection_delay": 0.02, "reconnection_delay_max": 0.1, "randomization_factor": 0}
        super().__init__(handle_sigint=False, serializer=serializer, **delays)
        self.packets = []
        self.story = []
        self.arrival = threading.Condition()
        for name in PUSHES:
            self.on(name, lambda *args, name=name: self.take(name, args))
        self.on("connect", lambda: self.story.append("connect"))
        self.on("disconnect", lambda reason: self.story.append(f"disconnect: {reason}"))
        self.connect(url, transports=transports)

    def _engineio_client_class(self):
        return InOrder

    def settle(self):
        """Waits until its writer waits. One that is busy when `disconnect` is called forgets to say that it goes."""
        until(lambda: self.eio.queue.not_empty._waiters, "the writer to be idle")

    def leave(self):
        """Goes without waiting for anything."""
        if self.connected:
            self.eio.disconnect(abort=True)
        else:
            self.shutdown()

    def take(self, name, args):
        with self.arrival:
            # What is not one packet of that name cannot be looked for.
            is_right = len(args) == 1 and args[0].get("context") == PUSHES[name]
            self.packets.append(args[0] if is_right else {"wrong": (name, args)})
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
            raise AssertionError(f"waited {LIMIT} s for {what}; {self.story}")
        return found

    def response(self, number):
        """A response that came as an event."""
        return self.first(lambda packet: packet.get("messageCount") == number, f"the response {number}")

    def said(self):
        """What the rooms have told so far."""
        return [packet["message"] for packet in list(self.packets) if packet.get("context") == "user"]

    def wrong(self):
        return [packet for packet in list(self.packets) if "wrong" in packet]
