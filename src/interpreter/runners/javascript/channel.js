'use strict';
// Frames between agent and runner (src/interpreter/frame.h).
//
// The descriptor stays blocking. Frames are written synchronously, so that text, results and the end of a cell leave in
// the order in which they came about, and a cell that prints faster than the agent reads waits instead of filling the
// memory. Reading happens on a thread of libuv's pool, and only between cells, as the agent sends nothing else.

const fs = require('fs');

const HEADER = 8;
const MAX_PAYLOAD = 64 * 1024 * 1024;
const MAX_TEXT = 64 * 1024;
const BUSY = new Int32Array(new SharedArrayBuffer(4));

/** JSON in ASCII, on one line. */
function asciiJson(value) {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g,
    (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0'));
}

class Channel {
  constructor(fd) {
    this.fd = fd;
  }

  /** Sends one frame; `payload` is a Buffer or a string of ASCII. */
  send(kind, payload) {
    const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : payload;
    const frame = Buffer.allocUnsafe(HEADER + body.length);
    frame.writeUInt32LE(body.length, 0);
    frame.writeUInt32LE(kind.charCodeAt(0), 4);
    body.copy(frame, HEADER);
    for (let sent = 0; sent < frame.length;) {
      try {
        sent += fs.writeSync(this.fd, frame, sent);
      } catch (error) {
        if (error.code !== 'EAGAIN') process.reallyExit(1); // the agent is gone
        Atomics.wait(BUSY, 0, 0, 1);
      }
    }
  }

  sendJson(kind, value) {
    this.send(kind, asciiJson(value));
  }

  /** A line of the answer's stream. False if it is too long for a frame; nothing was sent then. */
  sendLine(value) {
    const line = asciiJson(value);
    if (line.length > MAX_PAYLOAD) return false;
    this.send('L', line);
    return true;
  }

  /** Text of a stream ('o' or 'e'), in pieces that end between characters. */
  sendText(kind, text) {
    const bytes = Buffer.from(text, 'utf8');
    for (let start = 0; start < bytes.length;) {
      let end = Math.min(start + MAX_TEXT, bytes.length);
      while (end < bytes.length && (bytes[end] & 0xc0) === 0x80) end--;
      this.send(kind, bytes.subarray(start, end));
      start = end;
    }
  }

  #readExactly(size) {
    const bytes = Buffer.allocUnsafe(size);
    return new Promise((resolve, reject) => {
      const more = (filled) => {
        if (filled === size) {
          resolve(bytes);
          return;
        }
        fs.read(this.fd, bytes, filled, size - filled, null, (error, count) => {
          if (error && error.code === 'EAGAIN') setTimeout(more, 1, filled);
          else if (error || count === 0) reject(error || new Error('the agent closed the connection'));
          else more(filled + count);
        });
      };
      more(0);
    });
  }

  /** The next frame of the agent: {kind, body}. Rejects at the end of the connection. */
  async receive() {
    const header = await this.#readExactly(HEADER);
    const length = header.readUInt32LE(0);
    if (length > MAX_PAYLOAD) throw new Error(`a frame of ${length} bytes`);
    const body = await this.#readExactly(length);
    return { kind: String.fromCharCode(header[4]), body: JSON.parse(body.toString('utf8')) };
  }
}

module.exports = { Channel };
