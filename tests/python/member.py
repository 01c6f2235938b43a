"""A member of a room, for a test that talks to it by lines of JSON: what the test writes are packets to ask with, what
it reads are the answers, in the same order, and what comes from the room.

    member.py URL [TRANSPORT...]
"""

import json
import sys
import threading

from socketio_client import Client

lock = threading.Lock()


def write(what, packet):
    with lock:
        print(json.dumps({what: packet}), flush=True)


url, *transports = sys.argv[1:]
client = Client(url, transports or None)
client.on("say", lambda packet: write("heard", packet))
write("transport", client.transport())
for line in sys.stdin:
    packet = json.loads(line)
    client.emit(packet.pop("event"), packet, callback=lambda answer: write("answer", answer))
client.disconnect()
