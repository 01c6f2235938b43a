"""python-socketio, with JSON and with msgpack, over every transport that it has."""

import re
import threading
import time
import unittest

import socketio
import websocket

from client import LIMIT, until
from server import Server
from socketio_client import Client

COUNT = 20_000
# It puts all that waits into one POST, and the server takes a megabyte in one.
SLICE = 5_000
BURST = 10_000
WAYS = {
    "Polling": (["polling"], "polling"),
    "WebSocket": (["websocket"], "websocket"),
    "Upgrade": (None, "websocket"),
}
SERIALIZERS = {"": "default", "WithMsgpack": "msgpack"}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def setUpModule():
    global shared
    shared = Server()


def tearDownModule():
    shared.kill()


class Conversation:
    """What each combination of way and serializer can do."""

    def enter(self, server=None, room=None):
        client = Client((server or shared).url, self.transports, self.serializer)
        self.addCleanup(client.leave)
        self.assertEqual(client.transport(), self.ends_on)
        if room:
            self.assertEqual(client.call("roomAdd", {"room": room})["status"], "OK")
        return client

    def view(self, client, room):
        return client.call("roomView", {"room": room})["data"]["members"]

    def test_is_greeted_and_its_id_is_the_one_that_others_see(self):
        client = self.enter()
        welcome = client.first(lambda packet: "welcome" in packet, "the greeting")
        self.assertEqual(welcome, {"welcome": "Hello human! Welcome to Stellar", "context": "api"})
        details = client.call("detailsView")["data"]
        self.assertRegex(details["id"], UUID)
        self.assertEqual(client.get_sid(), details["id"])
        self.assertNotEqual(client.sid, details["id"], "the session's id is a secret")
        self.assertEqual(details["rooms"], [])

    def test_calls_verbs(self):
        client = self.enter()
        self.assertEqual(client.call("say", {"room": "lobby", "message": "early"})["error"]["code"], "016")
        self.assertIs(client.call("roomAdd", {"room": "lobby"})["data"], True)
        said = client.call("say", {"room": "lobby", "message": "hi"})
        self.assertEqual(said, {"status": "OK", "context": "response", "messageCount": 3})
        push = client.first(lambda packet: packet.get("context") == "user", "the message")
        self.assertEqual((push["message"], push["room"], push["from"]), ("hi", "lobby", client.get_sid()))
        wave = {"event": "wave", "data": {"hands": 2}}
        client.call("event", {"params": {"room": "lobby", **wave}})
        client.first(lambda packet: packet.get("message") == wave, "the wave")
        self.assertIn(client.get_sid(), self.view(client, "lobby"))
        self.assertIs(client.call("roomLeave", {"room": "lobby"})["data"], True)
        answer = client.call("action", {"params": {"action": "formattedSum", "a": 3, "b": 4}})
        self.assertEqual(answer["formatted"], "3 + 4 = 7")
        self.assertEqual(client.call("file", {"file": "images/logo.png"})["encoding"], "base64")
        slow = threading.Event()
        client.emit("action", {"params": {"action": "sleep", "sleepDuration": 100}}, callback=lambda _: slow.set())
        self.assertEqual(client.call("detailsView")["data"]["id"], client.get_sid())
        self.assertTrue(slow.wait(LIMIT))
        whole = client.call("message", {"event": "detailsView"})
        self.assertEqual(whole["data"]["id"], client.get_sid())
        self.assertEqual(client.wrong(), [])

    def test_gets_answers_as_events_where_it_does_not_call(self):
        client = self.enter()
        client.emit("detailsView")
        client.emit("roomAdd", {"room": "lobby"})
        client.emit("bogus", {"room": "lobby"})
        self.assertEqual(client.response(1)["data"]["id"], client.get_sid())
        self.assertIs(client.response(2)["data"], True)
        self.assertEqual(client.response(3)["error"]["code"], "014")
        self.assertEqual(client.wrong(), [])

    def test_is_told_what_was_wrong(self):
        client = self.enter()
        for arguments, code in [
            (("bogus", {"room": "lobby"}), "014"), (("message", {"room": "lobby"}), "014"),
            (("say", "text"), "023"), (("say", 5), "023"), (("say", [1]), "023"), (("say", ({}, {})), "023"),
            (("say", {"room": "lobby"}), "015"), (("roomAdd", {}), "021"), (("roomAdd",), "021"),
            (("roomAdd", {"room": "nowhere"}), "019"), (("action", {"params": {"action": "nope"}}), "004"),
        ]:
            self.assertEqual(client.call(*arguments)["error"]["code"], code, arguments)
        self.assertEqual(client.story, ["connect"])

    def test_is_refused_a_namespace_that_nobody_opened(self):
        client = self.enter()
        refusals = []
        other = socketio.Client(handle_sigint=False, serializer=self.serializer)
        self.addCleanup(other.shutdown)
        other.on("connect_error", refusals.append, namespace="/nowhere")
        with self.assertRaises(socketio.exceptions.ConnectionError):
            other.connect(shared.url, transports=self.transports, namespaces=["/", "/nowhere"])
        self.assertEqual(refusals, [{"message": "Invalid namespace"}])
        self.assertEqual(client.call("detailsView")["status"], "OK")

    def test_carries_every_text_as_it_is(self):
        speaker, listener = self.enter(room="random"), self.enter(room="random")
        messages = [
            "plain", " ", 0, -1.5e300, False, [None], {"a": [1, {"b": None}]}, {"_placeholder": True, "num": 0},
            "Grüße, κόσμε, 世界, שלום", "😀 👩‍👩‍👧‍👦 🏳️‍🌈", "line\u2028paragraph\u2029end", "\u0000\u001e\u001f\"\\/",
            "primus::ping::1", "😀" * 25_000,
        ]
        for message in messages:
            speaker.emit("say", {"room": "random", "message": message})
        for client in (speaker, listener):
            client.first(lambda packet: packet.get("message") == messages[-1], "the last message")
            self.assertEqual(client.said(), messages)
            self.assertEqual(client.story, ["connect"])

    def test_may_say_bytes_and_everybody_hears_base64(self):
        speaker, listener = self.enter(room="random"), self.enter(room="random")
        speaker.call("say", {"room": "random", "message": b"\x00\x01\xff"})
        speaker.call("say", {"room": "random", "message": {"image": b"", "more": [b"\x01\x02\x03"]}})
        speaker.call("say", {"room": "random", "message": "behind the bytes"})
        for client in (speaker, listener):
            client.first(lambda packet: packet.get("message") == "behind the bytes", "the last message")
            self.assertEqual(client.said(), ["AAH/", {"image": "", "more": ["AQID"]}, "behind the bytes"])

    def test_emits_20000_events_and_all_is_answered_and_heard_in_order(self):
        speaker, listener = self.enter(room="lobby"), self.enter(room="lobby")
        answers = []
        for start in range(0, COUNT, SLICE):
            for number in range(start, start + SLICE):
                speaker.emit("say", {"room": "lobby", "message": number}, callback=answers.append)
            until(lambda: len(answers) == start + SLICE, "the answers")
        self.assertEqual([answer["messageCount"] for answer in answers], list(range(2, COUNT + 2)))
        self.assertEqual({answer["status"] for answer in answers}, {"OK"})
        for client in (speaker, listener):
            client.first(lambda packet: packet.get("message") == COUNT - 1, "the last message")
            client.call("detailsView")
            self.assertEqual(client.said(), list(range(COUNT)))

    def test_hears_a_burst_of_10000(self):
        listener = self.enter(room="defaultRoom")
        speaker = websocket.create_connection(shared.url.replace("http", "ws", 1) + "/ws")
        self.addCleanup(speaker.close)
        speaker.send('{"event":"roomAdd","room":"defaultRoom"}')

        def talk():
            for number in range(BURST):
                speaker.send(f'{{"event":"say","room":"defaultRoom","message":{number}}}')

        def listen():
            for _ in range(2 * BURST + 2):
                speaker.recv()

        # It must take what it is sent, or the server holds it for slow.
        threads = [threading.Thread(target=target) for target in (talk, listen)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        listener.first(lambda packet: packet.get("message") == BURST - 1, "the last message")
        listener.call("detailsView")
        self.assertEqual(listener.said(), list(range(BURST)))
        self.assertEqual(listener.story, ["connect"])

    def test_leaves_its_rooms_when_it_disconnects(self):
        witness, client = self.enter(room="random"), self.enter(room="random")
        name = client.get_sid()
        self.assertIn(name, self.view(witness, "random"))
        client.settle()
        began = time.monotonic()
        client.disconnect()
        until(lambda: name not in self.view(witness, "random"), "the member to be gone")
        self.assertLess(time.monotonic() - began, 2)

    def test_comes_back_to_a_restarted_server(self):
        if self.ends_on == "polling":
            # Over polling this client takes the end of a session for a good-bye for ever, from every server.
            server = Server()
            self.addCleanup(lambda: server.kill())
            client = self.enter(server)
            server.stop()
            until(lambda: len(client.story) > 1, "the end")
            self.assertEqual(client.story, ["connect", "disconnect: server disconnect"])
            return
        self.lose(Server.stop)

    def test_comes_back_to_a_server_that_was_killed(self):
        self.lose(Server.kill)

    def lose(self, end):
        server = Server()
        self.addCleanup(lambda: server.kill())
        client = self.enter(server, room="lobby")
        before = client.get_sid()
        end(server)
        until(lambda: len(client.story) > 1, "the end")
        server.kill()
        server = Server(listen=server.url.removeprefix("http://"))
        until(lambda: client.story.count("connect") == 2, f"the client to come back: {client.story}")
        self.assertNotEqual(client.get_sid(), before)
        self.assertEqual(client.call("detailsView")["data"]["rooms"], [])
        self.assertEqual(client.call("roomAdd", {"room": "lobby"})["status"], "OK")
        client.call("say", {"room": "lobby", "message": "here again"})
        client.first(lambda packet: packet.get("message") == "here again", "its own words")

    def test_does_not_come_back_where_it_was_sent_away(self):
        server = Server()
        self.addCleanup(lambda: server.kill())
        witness = self.enter(server)
        for _ in range(4):
            client = self.enter(server)
            client.emit("quit")
            until(lambda: len(client.story) > 1, "the end")
            if client.story[1] != "disconnect: transport error":
                break
            # The library reads each packet in a thread of its own: now and then it sees the close behind it first.
            client.shutdown()
        self.assertEqual(client.story, ["connect", "disconnect: server disconnect"])
        # Both could come back from here on; the witness does.
        server.kill()
        server = Server(listen=server.url.removeprefix("http://"))
        until(lambda: witness.story.count("connect") == 2, "the witness to come back")
        self.assertEqual(client.story, ["connect", "disconnect: server disconnect"])
        self.assertEqual(server.metric('stellar_connections{transport="socketio"}'), 1)


for way, (transports, ends_on) in WAYS.items():
    for suffix, serializer in SERIALIZERS.items():
        title = f"{way}{suffix}"
        fields = {"transports": transports, "ends_on": ends_on, "serializer": serializer}
        globals()[title] = type(title, (Conversation, unittest.TestCase), fields)


class Heartbeat(unittest.TestCase):
    def test_keeps_quiet_clients_for_five_intervals(self):
        server = Server("[socketio]\nping_interval_ms = 300\nping_timeout_ms = 200\n")
        self.addCleanup(server.kill)
        # Side by side, because it takes its time.
        clients = [
            Client(server.url, transports, serializer)
            for transports, _ in WAYS.values() for serializer in SERIALIZERS.values()
        ]
        for client in clients:
            self.addCleanup(client.leave)
        names = [client.call("detailsView")["data"]["id"] for client in clients]
        began = time.monotonic()
        for client in clients:
            client.eio.pings = 0
        until(lambda: all(client.eio.pings >= 5 for client in clients), "five pings for each")
        self.assertGreater(time.monotonic() - began, 4 * 0.3)
        self.assertEqual([client.call("detailsView")["data"]["id"] for client in clients], names)
        self.assertEqual([client.story for client in clients], [["connect"]] * len(clients))


class Upgrade(unittest.TestCase):
    def test_is_seen_by_the_server(self):
        server = Server()
        self.addCleanup(server.kill)
        client = Client(server.url, None)
        self.addCleanup(client.leave)
        self.assertEqual(client.call("detailsView")["status"], "OK")
        self.assertEqual(server.metric('stellar_upgrades_total{result="upgraded"}'), 1)
        self.assertEqual(server.metric('stellar_connections{transport="socketio"}'), 1)


if __name__ == "__main__":
    unittest.main()
