// Plugins of the server: `client` runs in each client, `library` once, now.

plugins(Primus).forEach(function (plugin) {
  if (plugin.client) proto.ark[plugin.name] = plugin.client;
  if (plugin.library) plugin.library(Primus);
});
