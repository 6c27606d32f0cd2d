'use strict'

// What the peers on Node have in common: the collaborative order as one would write it with `ws`, in one process.
//
// It speaks both dialects: the full state in every change, and with ?v=2 the change alone plus an ack to its sender.
// It does what any honest server does (checks its input, serializes a broadcast once, tracks presence) and no more.
//
// Rooms live in memory. Where each change goes before anybody hears of it is up to a journal:
//
//   append(room, seq, event, then)   keep the change, a text, and call `then` when it is kept
//   after(then)                      call `then` when all that was appended before is kept; at once if it is
//   read(room, then)                 call `then` with all events of a room, in their order
//
// Those that are called are called in the order of the calls. What cannot be kept ends the process.

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
// By the rooms' names, who waits for what the journal has of them.
const opening = new Map()

const inMemory = {
  keeps: false,
  append (room, seq, event, then) { then() },
  after (then) { then() },
  read (room, then) { then([]) }
}
let journal = inMemory

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

  // Others may change the order before this is sent, so that a change that waits for the journal is encoded for all.
  change (type, message, data) {
    const change = new Change(this, type, message, data)
    if (!journal.keeps) return change
    for (const socket of this.sockets) change.encoded(socket.dialect)
    return change
  }

  broadcast (change) {
    for (const socket of this.sockets) if (socket.isInformed) socket.send(change.encoded(socket.dialect), AS_TEXT)
  }

  sync () {
    return JSON.stringify({ type: 'sync', data: this.order, timestamp: Date.now() })
  }
}

// One encoding per dialect, shared by all sockets that speak it.
class Change {
  constructor (room, type, message, data) {
    this.room = room
    this.seq = room.seq
    this.type = type
    this.head = { type, participantId: message.participantId, participantName: message.participantName }
    this.data = data
    this.timestamp = Date.now()
    this.text = undefined
    this.encodings = {}
  }

  encoded (dialect) {
    return (this.encodings[dialect] ??= Buffer.from(dialect === 2
      ? this.alone()
      : JSON.stringify({ ...this.head, data: this.inFull(), timestamp: this.timestamp })))
  }

  alone () {
    return (this.text ??= JSON.stringify({ ...this.head, data: this.data, timestamp: this.timestamp, seq: this.seq }))
  }

  inFull () {
    return this.type === 'participant_joined' ? this.room.order : { ...this.data, orderState: this.room.order }
  }

  // For the journal. A room's first has the order itself, to begin with.
  event () {
    return this.seq === 1 ? JSON.stringify({ ...this.head, timestamp: this.timestamp, order: this.room.order }) : this.alone()
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
  return ['participant_joined', { participant }, rejoined ? room.sync() : undefined]
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
    const [type, data, sync] = apply(room, socket, message)
    room.seq += 1
    room.order.updatedAt = Date.now()
    const change = room.change(type, message, data)
    journal.append(room.id, room.seq, journal.keeps ? change.event() : undefined, () => {
      if (sync) socket.send(sync)
      if (socket.dialect === 2 && message.opId !== undefined) {
        socket.send(JSON.stringify({ type: 'ack', opId: message.opId, seq: change.seq }))
      }
      room.broadcast(change)
    })
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const data = { code: error.code, message: error.message, opId: message?.opId, retryable: false }
    const text = JSON.stringify({ type: 'error', error: error.message, data, timestamp: Date.now() })
    journal.after(() => socket.send(text))
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
    journal.after(() => {
      for (const other of room.sockets) if (other.isInformed && other.dialect === 2) other.send(encoded, AS_TEXT)
    })
  }
  if (room.sockets.size > 0) return
  setTimeout(() => { if (room.sockets.size === 0) rooms.delete(room.id) }, EMPTY_ROOM_LIFETIME_MS).unref()
}

// Applies what the journal has of a room.
const replays = {
  participant_joined (order, { participant }) {
    order.participants = [...order.participants.filter(other => other.id !== participant.id), participant]
  },
  participant_left (order, { participantId }) {
    order.participants = order.participants.filter(participant => participant.id !== participantId)
  },
  item_added (order, { item }) { order.items.push(item) },
  item_removed (order, { itemId }) { order.items = order.items.filter(item => item.id !== itemId) },
  quantity_updated (order, { itemId, quantity }) {
    const item = findItem(order, itemId)
    item.quantity = quantity
    item.itemTotal = quantity * item.price
  },
  split_updated (order, { splitType, splitDetails }) {
    order.splitType = splitType
    order.splitDetails = splitDetails ?? null
  },
  order_finalized (order, data, timestamp) {
    order.status = 'finalized'
    order.finalizedAt = timestamp
  }
}

function replay (room, events) {
  for (const { type, data, timestamp, order } of events) {
    room.seq += 1
    if (order) room.order = order
    else replays[type](room.order, data, timestamp)
    room.order.updatedAt = timestamp
  }
  if (!room.order) return
  addUp(room.order)
  for (const participant of room.order.participants) participant.isOnline = false
}

// Calls `then` with the room, as soon as it is in memory.
function open (roomId, then) {
  const room = rooms.get(roomId)
  if (room) return then(room)
  const waiting = opening.get(roomId)
  if (waiting) return waiting.push(then)
  opening.set(roomId, [then])
  journal.read(roomId, events => {
    const room = new Room(roomId)
    replay(room, events.map(JSON.parse))
    rooms.set(roomId, room)
    const waiting = opening.get(roomId)
    opening.delete(roomId)
    for (const then of waiting) then(room)
  })
}

function connected (socket, room, dialect) {
  socket.dialect = dialect
  socket.participantId = undefined
  socket.isInformed = false
  room.sockets.add(socket)
  socket.on('message', bytes => receive(room, socket, bytes))
  socket.on('close', () => closed(room, socket))
  socket.on('error', () => socket.terminate())
  const sync = room.order ? room.sync() : undefined
  journal.after(() => {
    socket.isInformed = true
    if (sync) socket.send(sync)
  })
}

const webSockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, clientTracking: false })

const server = http.createServer((request, response) => {
  const found = request.method === 'GET' && request.url === '/healthz'
  response.writeHead(found ? 200 : 404, { 'content-type': 'text/plain' }).end(found ? 'ok\n' : 'not found\n')
})

server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://localhost')
  const roomId = PATH.exec(url.pathname)?.[1]
  if (!roomId) return socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n')
  const dialect = url.searchParams.get('v') === '2' ? 2 : 1
  // Until its room is in memory nobody else looks at the socket.
  if (journal.keeps) socket.once('error', () => socket.destroy())
  open(roomId, room => {
    webSockets.handleUpgrade(request, socket, head, webSocket => connected(webSocket, room, dialect))
  })
})

function option (name, otherwise) {
  const at = process.argv.indexOf(`--${name}`)
  return at > 0 && at + 1 < process.argv.length ? process.argv[at + 1] : otherwise
}

// Listens where the command line says: [--port 1999] [--host 127.0.0.1].
function serve (name, keeper = inMemory) {
  journal = keeper
  server.listen(Number(option('port', '1999')), option('host', '127.0.0.1'), () => {
    const { address, port } = server.address()
    console.log(`${name} listens on http://${address}:${port}`)
  })
  process.on('SIGTERM', () => process.exit(0))
}

module.exports = { option, serve }
