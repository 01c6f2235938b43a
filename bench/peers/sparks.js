'use strict';

// A peer on npm `primus` with one of its transformers: a broadcast writes the
// packet to each spark of the room, as there are no rooms in Primus itself.

const http = require('node:http');
const Primus = require('primus');
const { WELCOME, createConnection, answer, leaveAll, announce } = require('./packets');

function broadcast(room, push) {
  room.forEach((spark) => spark.write(push));
}

function serve(transformer) {
  const server = http.createServer();
  const primus = new Primus(server, { transformer, parser: 'JSON' });

  primus.on('connection', (spark) => {
    const { ip, port } = spark.address;
    const connection = createConnection(spark.id, ip, port);
    const reply = (packet) => spark.write(packet);

    spark.on('data', (packet) => {
      answer(packet.event, packet, connection, spark, reply, broadcast);
    });
    spark.on('end', () => leaveAll(connection, spark));

    spark.write(WELCOME);
  });

  announce(server);
}

module.exports = { serve };
