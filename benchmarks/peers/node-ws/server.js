'use strict'

// A peer for benchmarks: the collaborative order as one would write it on Node with `ws`, rooms in memory only.
//
//   node server.js [--port 1999] [--host 127.0.0.1]
//
// It speaks both dialects: the full state in every change, and with ?v=2 the change alone plus an ack to its sender.
// It does what any honest server does (checks its input, serializes a broadcast once, tracks presence) and no more:
// nothing is durable, and there is one process.

const crypto = require('node:crypto')
const http = require('node:http')

const { WebSocketServer } = loadWs()

const PATH = /^\/(?:parties\/(?:collaborative_order|main)|party(?:\/main)?)\/([A-Za-z0-9_.:~-]{1,128})$/
const EMPTY_ROOM_LIFETIME_MS = 5 * 60 * 1000
const MAX_MESSAGE_BYTES = 64 * 1024
const MAX_ITEMS = 500
const MAX_PARTICIPANTS = 200
const SPLIT_TYPES = ['equal', 'itemized', 'custom', 'percentage', 'shares']
const AS_TEXT = { binary: false }

const rooms = new Map()

// Debian keeps its node modules where a Node from elsewhere does not look.
function loadWs () {
  try { return require('ws') } catch { return require('/usr/share/nodejs/ws') }
}

class Rejection extends Error {
  constructor (code, message) { super(message); this.code = code }
}

class Room {
  constructor (id) {
    this.id = id
    this.order = null
    this.seq = 0
    this.sockets = new Set()
  }

  // One encoding per dialect, shared by all sockets that speak it.
  broadcast (type, message, change) {
    const head = { type, participantId: message.participantId, participantName: message.participantName }
    const timestamp = Date.now()
    const encoded = {}
    for (const socket of this.sockets) {
      encoded[socket.dialect] ??= Buffer.from(JSON.stringify(socket.dialect === 2
        ? { ...head, data: change, timestamp, seq: this.seq }
        : { ...head, data: this.inFull(type, change), timestamp }))
      socket.send(encoded[socket.dialect], AS_TEXT)
    }
  }

  inFull (type, change) {
    return type === 'participant_joined' ? this.order : { ...change, orderState: this.order }
  }

  sync (socket) {
    socket.send(JSON.stringify({ type: 'sync', data: this.order, timestamp: Date.now() }))
  }
}

const check = (condition, code, message) => { if (!condition) throw new Rejection(code, message) }
const isText = (value, max) => typeof value === 'string' && value.length > 0 && value.length <= max

function findItem (order, id) {
  const item = order.items.find(item => item.id === id)
  check(item, 'item_not_found', 'There is no such item.')
  return item
}

function checkQuantity (quantity, least) {
  check(Number.isInteger(quantity) && quantity >= least && quantity <= 99, 'invalid_quantity', 'Quantity is 1 to 99.')
}

function addUp (order) {
  order.total = order.items.reduce((sum, item) => sum + item.itemTotal, 0)
}

function join (room, socket, { participantId, participantName, data }) {
  check(isText(participantId, 128) && isText(participantName, 120), 'invalid_join', 'A join needs an id and a name.')
  const now = Date.now()
  room.order ??= {
    circleId: data.circleId ?? null, tenantId: data.tenantId ?? null, sessionId: room.id, initiatedBy: participantId,
    participants: [], items: [], total: 0, splitType: 'equal', status: 'active', createdAt: now, updatedAt: now
  }
  let participant = room.order.participants.find(participant => participant.id === participantId)
  const rejoined = participant !== undefined
  if (!rejoined) {
    check(room.order.participants.length < MAX_PARTICIPANTS, 'limit_exceeded', 'The order is full.')
    const role = participantId === room.order.initiatedBy ? 'owner' : 'member'
    const phone = typeof data.phone === 'string' ? data.phone : null
    participant = { id: participantId, name: participantName, phone, role, isOnline: true, joinedAt: now }
    room.order.participants.push(participant)
  }
  participant.isOnline = true
  socket.participantId = participantId
  if (rejoined) room.sync(socket)
  return ['participant_joined', { participant }]
}

// Each takes the order, the message and its data, changes the order, and gives the change to be broadcast.
const operations = {
  add_item (order, message, { itemId, dishName, dishType, quantity, price, customization }) {
    check(isText(dishName, 120), 'invalid_item', 'A dish has a name.')
    check(dishType === 'veg' || dishType === 'non-veg', 'invalid_item', 'A dish is veg or non-veg.')
    check(typeof price === 'number' && price >= 0 && Number.isFinite(price), 'invalid_price', 'A price is 0 or more.')
    checkQuantity(quantity, 1)
    check(order.items.length < MAX_ITEMS, 'limit_exceeded', 'The order has too many items.')
    const item = {
      id: isText(itemId, 128) ? itemId : crypto.randomUUID(), dishName, dishType, quantity, price,
      itemTotal: quantity * price, customization: customization ?? null,
      addedBy: message.participantId, addedByName: message.participantName, addedAt: Date.now()
    }
    order.items.push(item)
    return ['item_added', { item }]
  },

  remove_item (order, message, { itemId }) {
    order.items.splice(order.items.indexOf(findItem(order, itemId)), 1)
    return ['item_removed', { itemId }]
  },

  update_quantity (order, message, { itemId, quantity }) {
    checkQuantity(quantity, 0)
    const item = findItem(order, itemId)
    if (quantity === 0) return operations.remove_item(order, message, { itemId })
    item.quantity = quantity
    item.itemTotal = quantity * item.price
    return ['quantity_updated', { itemId, quantity }]
  },

  update_split (order, message, { splitType, splitDetails }) {
    check(SPLIT_TYPES.includes(splitType), 'invalid_split', 'There is no such split.')
    order.splitType = splitType
    order.splitDetails = splitDetails ?? null
    return ['split_updated', { splitType, splitDetails }]
  },

  finalize (order, message) {
    check(order.initiatedBy === message.participantId, 'not_owner', 'Only the owner finalizes.')
    check(order.items.length > 0, 'empty_order', 'There is nothing to order.')
    order.status = 'finalized'
    order.finalizedAt = Date.now()
    return ['order_finalized', {}]
  },

  leave (order, message) {
    order.participants = order.participants.filter(participant => participant.id !== message.participantId)
    return ['participant_left', { participantId: message.participantId }]
  }
}

function apply (room, socket, message) {
  const data = typeof message.data === 'object' && message.data !== null ? message.data : {}
  check(!room.order || room.order.status === 'active', 'order_finalized', 'The order is finalized.')
  if (message.type === 'join') return join(room, socket, { ...message, data })
  check(Object.hasOwn(operations, message.type), 'unknown_type', 'No such message.')
  const known = room.order?.participants.some(participant => participant.id === message.participantId)
  check(known, 'not_joined', 'Join first.')
  check((socket.participantId ??= message.participantId) === message.participantId, 'identity_mismatch', 'Not you.')
  const change = operations[message.type](room.order, message, data)
  addUp(room.order)
  return change
}

function receive (room, socket, bytes) {
  let message
  try {
    try { message = JSON.parse(bytes) } catch { throw new Rejection('invalid_json', 'This is not JSON.') }
    check(typeof message === 'object' && message !== null && !Array.isArray(message), 'invalid_json', 'Not an object.')
    const [type, change] = apply(room, socket, message)
    room.seq += 1
    room.order.updatedAt = Date.now()
    if (socket.dialect === 2 && message.opId !== undefined) {
      socket.send(JSON.stringify({ type: 'ack', opId: message.opId, seq: room.seq }))
    }
    room.broadcast(type, message, change)
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const data = { code: error.code, message: error.message, opId: message?.opId, retryable: false }
    socket.send(JSON.stringify({ type: 'error', error: error.message, data, timestamp: Date.now() }))
  }
}

function closed (room, socket) {
  room.sockets.delete(socket)
  const present = [...room.sockets].some(other => other.participantId === socket.participantId)
  const participant = room.order?.participants.find(participant => participant.id === socket.participantId)
  if (participant && !present) {
    participant.isOnline = false
    const data = { isOnline: false }
    const presence = { type: 'presence', participantId: participant.id, data, timestamp: Date.now() }
    const encoded = Buffer.from(JSON.stringify(presence))
    for (const other of room.sockets) if (other.dialect === 2) other.send(encoded, AS_TEXT)
  }
  if (room.sockets.size > 0) return
  setTimeout(() => { if (room.sockets.size === 0) rooms.delete(room.id) }, EMPTY_ROOM_LIFETIME_MS).unref()
}

function connected (socket, roomId, dialect) {
  let room = rooms.get(roomId)
  if (!room) rooms.set(roomId, room = new Room(roomId))
  socket.dialect = dialect
  socket.participantId = undefined
  room.sockets.add(socket)
  socket.on('message', bytes => receive(room, socket, bytes))
  socket.on('close', () => closed(room, socket))
  socket.on('error', () => socket.terminate())
  if (room.order) room.sync(socket)
}

const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, clientTracking: false })

const server = http.createServer((request, response) => {
  const found = request.method === 'GET' && request.url === '/healthz'
  response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain' }).end(found ? 'ok\n' : 'not found\n')
})

server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://localhost')
  const room = PATH.exec(url.pathname)?.[1]
  if (!room) return socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  const dialect = url.searchParams.get('v') === '2' ? 2 : 1
  webSockets.handleUpgrade(request, socket, head, webSocket => connected(webSocket, room, dialect))
})

function option (name, otherwise) {
  const at = process.argv.indexOf(`--${name}`)
  return at > 0 && at + 1 < process.argv.length ? process.argv[at + 1] : otherwise
}

server.listen(Number(option('port', '1999')), option('host', '127.0.0.1'), () => {
  const { address, port } = server.address()
  console.log(`node-ws listens on http://${address}:${port}`)
})
process.on('SIGTERM', () => process.exit(0))
