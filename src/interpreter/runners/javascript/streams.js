'use strict';
// process.stdout, process.stderr and console write frames.

const { Writable } = require('stream');
const { StringDecoder } = require('string_decoder');
const { Console } = require('console');

class FrameStream extends Writable {
  constructor(fd, sendText) {
    super({ decodeStrings: false });
    this.fd = fd;
    this.isTTY = false;
    this.sendText = sendText;
    this.decoder = new StringDecoder('utf8');
  }

  _write(chunk, encoding, done) {
    const isText = typeof chunk === 'string' && (encoding === 'utf8' || encoding === 'utf-8');
    const text = isText ? chunk : this.decoder.write(typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk);
    if (text) this.sendText(text);
    done();
  }

  // Programs end the streams of a process that is about to exit; this one goes on.
  _final(done) { done(); }
  end(chunk, encoding, done) {
    if (chunk !== undefined && typeof chunk !== 'function') this.write(chunk, encoding);
    const last = [chunk, encoding, done].find((argument) => typeof argument === 'function');
    if (last) process.nextTick(last);
    return this;
  }
  destroy() { return this; }
}

/** `write(kind, text)` sends; kinds are those of frame.h. */
function installStreams(write) {
  const stdout = new FrameStream(1, (text) => write('o', text));
  const stderr = new FrameStream(2, (text) => write('e', text));
  for (const [name, value] of Object.entries({ stdout, stderr })) {
    Object.defineProperty(process, name, { value, configurable: true, enumerable: true, writable: true });
  }
  const value = new Console({ stdout, stderr });
  Object.defineProperty(globalThis, 'console', { value, configurable: true, enumerable: false, writable: true });
}

module.exports = { installStreams };
