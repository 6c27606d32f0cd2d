'use strict'

// A peer for benchmarks: the collaborative order on Node with `ws`, each change in a journal on disk before anybody hears
// of it.
//
//   node server.js --file rooms.sqlite [--commit message|group] [--port 1999] [--host 127.0.0.1]
//
// message: a transaction for each change, one after the other. It is what one writes first.
// group: while a transaction is on its way to the disk, changes wait, and all of them go into the next one.
//
// SQLite writes a log ahead (WAL) and waits for the disk at each commit (synchronous=FULL). The bindings are
// asynchronous: a thread of their own waits, while the event loop goes on.

const sqlite3 = require('sqlite3')
const { option, serve } = require('../rooms')

// SQLite takes 32 766 values in a statement, and a row has three.
const MAX_ROWS = 10_000

// Memory is ahead of the file then. The next process begins with what is in the file.
function endWith (error) {
  console.error(error)
  process.exit(1)
}

const orEnd = then => (error, found) => error ? endWith(error) : then(found)

class Journal {
  constructor (database, rowsAtOnce) {
    this.keeps = true
    this.database = database
    this.rowsAtOnce = rowsAtOnce
    this.insert = database.prepare(`${INSERT} (?, ?, ?)`, orEnd(() => {}))
    // Rows in their order, each with those to call when it is on disk.
    this.waiting = []
    this.committing = []
  }

  append (room, seq, event, then) {
    this.waiting.push({ values: [room, seq, event], then: [then] })
    if (this.committing.length === 0) this.commit()
  }

  after (then) {
    const last = this.waiting.at(-1) ?? this.committing.at(-1)
    if (last) last.then.push(then)
    else then()
  }

  read (room, then) {
    const query = 'SELECT event FROM journal WHERE room = ? ORDER BY seq'
    this.database.all(query, room, orEnd(rows => then(rows.map(row => row.event))))
  }

  commit () {
    const rows = this.committing = this.waiting.splice(0, this.rowsAtOnce)
    const done = orEnd(() => this.committed(rows))
    if (rows.length === 1) return this.insert.run(rows[0].values, done)
    // A statement by itself is a transaction.
    const places = Array(rows.length).fill('(?, ?, ?)').join()
    this.database.run(`${INSERT} ${places}`, rows.flatMap(row => row.values), done)
  }

  committed (rows) {
    // The disk is busy with the next ones while these are told.
    this.committing = []
    if (this.waiting.length > 0) this.commit()
    for (const row of rows) for (const then of row.then) then()
  }
}

const INSERT = 'INSERT INTO journal (room, seq, event) VALUES'
const SCHEMA = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS journal (
    room TEXT NOT NULL, seq INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (room, seq)) WITHOUT ROWID;`

const commit = option('commit', 'message')
const rowsAtOnce = { message: 1, group: MAX_ROWS }[commit]
if (!rowsAtOnce) endWith(`--commit is message or group, not ${commit}`)
const database = new sqlite3.Database(option('file', 'rooms.sqlite'), orEnd(() => {
  database.exec(SCHEMA, orEnd(() => serve(`node-sqlite (${commit})`, new Journal(database, rowsAtOnce))))
}))
