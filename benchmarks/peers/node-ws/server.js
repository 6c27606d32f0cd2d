'use strict'

// A peer for benchmarks: the collaborative order on Node with `ws`, rooms in memory only. Nothing is durable.
//
//   node server.js [--port 1999] [--host 127.0.0.1]

require('../rooms').serve('node-ws')
