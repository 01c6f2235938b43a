"""python-engineio on both doors, over every transport that it has."""

import json
import time
import unittest

from client import Client, until
from server import Server

COUNT = 10_000
DOORS = {"engine.io": "EngineIo", "primus": "Primus"}
WAYS = {
    "Polling": (["polling"], "polling"),
    "WebSocket": (["websocket"], "websocket"),
    "Upgrade": (None, "websocket"),
}


def setUpModule():
    global shared
    shared = Server()


def tearDownModule():
    shared.kill()


class Conversation:
    """What each combination of door and way can do."""

    def enter(self, server=None):
        client = Client((server or shared).url, self.door, self.transports)
        self.addCleanup(client.disconnect, abort=True)
        self.assertEqual(client.transport(), self.ends_on)
        return client

    def join(self, client, room):
        self.assertEqual(client.ask("roomAdd", room=room)["status"], "OK")
        return client

    def view(self, client, room):
        return client.ask("roomView", room=room)["data"]["members"]

    def test_speaks_the_verbs(self):
        client = self.enter()
        welcome = client.first(lambda packet: "welcome" in packet, "the greeting")
        self.assertEqual(welcome, {"welcome": "Hello human! Welcome to Stellar", "context": "api"})
        details = client.ask("detailsView")["data"]
        self.assertEqual(details["rooms"], [])
        self.assertNotEqual(details["id"], client.sid, "the session's id is a secret")
        self.assertEqual(client.ask("say", room="lobby", message="early")["error"]["code"], "016")
        self.join(client, "lobby")
        self.assertIn(details["id"], self.view(client, "lobby"))
        answer = client.ask("action", params={"action": "formattedSum", "a": 3, "b": 4})
        self.assertEqual(answer["formatted"], "3 + 4 = 7")
        self.assertEqual(client.ask("file", file="images/logo.png")["encoding"], "base64")
        self.assertEqual(client.ask("bogus")["error"]["code"], "014")
        slow = client.tell("action", params={"action": "sleep", "sleepDuration": 60})
        self.assertEqual(client.ask("detailsView")["data"]["id"], details["id"])
        self.assertEqual(client.response(slow)["sleepDuration"], 60)

    def test_carries_every_text_as_it_is(self):
        speaker, listener = self.join(self.enter(), "random"), self.join(self.enter(), "random")
        messages = [
            "plain", " ", 0, -1.5e300, False, [None], {"a": [1, {"b": None}]}, "Grüße, κόσμε, 世界, שלום",
            "😀 👩‍👩‍👧‍👦 🏳️‍🌈", "line\u2028paragraph\u2029end", "\u0000\u001e\u001f\"\\/", "primus::ping::1",
            "😀" * 25_000,
        ]
        for message in messages:
            speaker.tell("say", room="random", message=message)
        for client in (speaker, listener):
            client.first(lambda packet: packet.get("message") == messages[-1], "the last message")
            self.assertEqual(client.said(), messages)

    def test_may_send_json_as_binary(self):
        client = self.enter()
        client.send(json.dumps({"event": "detailsView", "extra": "Grüße 😀"}).encode())
        client.sent += 1
        self.assertEqual(client.response(1)["status"], "OK")
        self.assertEqual(client.ask("detailsView")["messageCount"], 2)

    def test_is_ended_by_binary_that_is_no_text(self):
        client = self.enter()
        client.send(b"\xff\xfe\x00\x80")
        until(lambda: client.ended, "the end")

    def test_says_10000_messages_and_all_is_answered_and_heard_in_order(self):
        speaker, listener = self.join(self.enter(), "lobby"), self.join(self.enter(), "lobby")
        for number in range(COUNT):
            speaker.tell("say", room="lobby", message=number)
        for client in (speaker, listener):
            client.first(lambda packet: packet.get("message") == COUNT - 1, "the last message")
            client.ask("detailsView")
            self.assertEqual(client.said(), list(range(COUNT)))
        self.assertEqual(speaker.responses(), list(range(1, COUNT + 3)))

    def test_gets_a_burst_while_it_is_quiet(self):
        speaker, listener = self.join(self.enter(), "defaultRoom"), self.join(self.enter(), "defaultRoom")
        # Both wait for something to happen now.
        speaker.ask("detailsView")
        for number in range(200):
            speaker.tell("say", room="defaultRoom", message=number)
        listener.first(lambda packet: packet.get("message") == 199, "the last message")
        self.assertEqual(listener.said(), list(range(200)))

    def test_leaves_its_rooms_when_it_disconnects(self):
        witness, client = self.join(self.enter(), "random"), self.join(self.enter(), "random")
        name = client.ask("detailsView")["data"]["id"]
        self.assertIn(name, self.view(witness, "random"))
        client.settle()
        began = time.monotonic()
        client.disconnect()
        until(lambda: name not in self.view(witness, "random"), "the member to be gone")
        self.assertLess(time.monotonic() - began, 2)

    def test_is_ended_by_a_server_that_stops(self):
        server = Server()
        self.addCleanup(server.kill)
        client = self.enter(server)
        slow = client.tell("action", params={"action": "sleep", "sleepDuration": 200})
        client.ask("detailsView")
        self.assertEqual(server.stop(), 0)
        self.assertEqual(client.response(slow)["sleepDuration"], 200)
        until(lambda: client.ended, "the end")


for way, (transports, ends_on) in WAYS.items():
    for door, name in DOORS.items():
        title = f"{way}On{name}"
        fields = {"door": door, "transports": transports, "ends_on": ends_on}
        globals()[title] = type(title, (Conversation, unittest.TestCase), fields)


class Heartbeat(unittest.TestCase):
    def test_keeps_quiet_clients_for_five_intervals(self):
        server = Server("[polling]\nping_interval_ms = 300\nping_timeout_ms = 200\n")
        self.addCleanup(server.kill)
        # Side by side, because it takes its time.
        clients = [Client(server.url, door, transports) for transports, _ in WAYS.values() for door in DOORS]
        for client in clients:
            self.addCleanup(client.disconnect, abort=True)
        names = [client.ask("detailsView")["data"]["id"] for client in clients]
        began = time.monotonic()
        for client in clients:
            client.pings = 0
        until(lambda: all(client.pings >= 5 for client in clients), "five pings for each")
        self.assertGreater(time.monotonic() - began, 4 * 0.3)
        self.assertEqual([client.ask("detailsView")["data"]["id"] for client in clients], names)
        self.assertEqual([client.ended for client in clients], [[]] * len(clients))


class Upgrade(unittest.TestCase):
    def test_is_seen_by_the_server(self):
        server = Server()
        self.addCleanup(server.kill)
        client = Client(server.url, "engine.io", None)
        self.addCleanup(client.disconnect, abort=True)
        self.assertEqual(client.ask("detailsView")["status"], "OK")
        self.assertEqual(server.metric('stellar_upgrades_total{result="upgraded"}'), 1)
        self.assertEqual(server.metric('stellar_connections{transport="polling"}'), 1)


if __name__ == "__main__":
    unittest.main()
