'use strict';

// The Stellar packets that all peers speak: only what the benchmark needs.

const WELCOME = { welcome: 'Hello human! Welcome to Stellar', context: 'api' };

/** What holds the members of each room: a Set, or what can `add` and `has` as one. */
const rooms = new Map([['defaultRoom', new Set()]]);

/** The actions of the demo that the benchmark calls. */
const ACTIONS = {
  randomNumber: () => ({ number: Math.random() }),

  formattedSum: ({ a, b }) => ({ formatted: `${a} + ${b} = ${a + b}` }),

  cacheTest: ({ key, value }) => ({
    cacheTestResults: {
      saveResp: true,
      sizeResp: 1,
      loadResp: { key, value, expireTimestamp: null, createdAt: Date.now(), readAt: null },
      deleteResp: true,
    },
  }),
};

/** What a server keeps of one open connection. */
function createConnection(id, remoteIP, remotePort) {
  return { id, remoteIP, remotePort, connectedAt: Date.now(), rooms: [], messageCount: 0 };
}

/**
 * Answers the packet of one verb. `member` is what the room holds, `reply`
 * writes to the speaker and `broadcast` writes a push to every member of a
 * room: how they do it is what the peers differ in.
 */
function answer(verb, packet, connection, member, reply, broadcast) {
  const messageCount = ++connection.messageCount;

  switch (verb) {
    case 'detailsView':
      reply({
        status: 'OK',
        context: 'response',
        data: {
          id: connection.id,
          fingerprint: null,
          remoteIP: connection.remoteIP,
          remotePort: connection.remotePort,
          params: {},
          connectedAt: connection.connectedAt,
          rooms: connection.rooms,
          totalActions: 0,
          pendingActions: 0,
        },
        messageCount,
      });
      break;

    case 'roomAdd': {
      const room = rooms.get(packet.room);
      if (!room) return refuse(reply, '019', `Room (${packet.room}) not exists`, messageCount);
      room.add(member);
      connection.rooms.push(packet.room);
      reply({ status: 'OK', context: 'response', data: true, messageCount });
      break;
    }

    case 'say': {
      const room = rooms.get(packet.room);
      if (!room || !room.has(member)) {
        return refuse(reply, '016', `Connection (${connection.id}) not in room (${packet.room})`, messageCount);
      }
      reply({ status: 'OK', context: 'response', messageCount });
      broadcast(room, {
        message: packet.message,
        room: packet.room,
        from: connection.id,
        context: 'user',
        sentAt: Date.now(),
      });
      break;
    }

    case 'action': {
      const { action, ...params } = packet.params;
      const result = ACTIONS[action]?.(params);
      if (!result) return refuse(reply, '004', `Unknown action (${action})`, messageCount);
      reply({ ...result, context: 'response', messageCount });
      break;
    }

    default:
      refuse(reply, '014', `Verb not found or not allowed (${verb})`, messageCount);
  }
}

function refuse(reply, code, message, messageCount) {
  reply({ status: message, error: { code, message }, context: 'response', messageCount });
}

function leaveAll(connection, member) {
  for (const name of connection.rooms) rooms.get(name).delete(member);
}

/** Tells the runner where the server listens. */
function announce(server) {
  server.listen(0, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${server.address().port}`);
  });

  // Only the memory scenarios start Node with --expose-gc: what is left after
  // a collection is what the connections need, without garbage.
  if (global.gc) setInterval(global.gc, 500);
}

module.exports = { WELCOME, rooms, createConnection, answer, leaveAll, announce };
