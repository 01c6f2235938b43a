// Rooms live on the server: a member receives what is written to a room as ordinary data, and asks to join with a
// message of the application. So there is nothing to add to the client; the entry keeps the list of plugins whole.
({ name: 'rooms', client: null, library: null })
