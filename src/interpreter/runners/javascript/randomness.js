'use strict';
// The sandbox goes on from an image, perhaps beside others from the same one.
//
// V8's Math.random() cannot be given a new seed by a program of Node's, and Node keeps random bytes in advance for some
// functions. So from then on, the functions that return random values take them from the kernel. What OpenSSL makes up by
// itself (keys, TLS) comes from its own generator, which the library RESEED gives a new seed.

const crypto = require('crypto');
const fs = require('fs');
const { syncBuiltinESMExports } = require('module');

const RESEED = '/.warren/reseed.so';
const POOL = 4096;
const UUID = /^(.{8})(.{4})(.{4})(.{4})(.{12})$/;
const { randomBytes, randomFill, randomFillSync, randomInt, randomUUID } = crypto;
const prototype = Object.getPrototypeOf(crypto.webcrypto);
const { getRandomValues, randomUUID: webUUID } = prototype;
const { dlopen } = process;

let pool = Buffer.alloc(0);
let isReplaced = false;

function fill(bytes) {
  const file = fs.openSync('/dev/urandom');
  try {
    for (let filled = 0; filled < bytes.length;) filled += fs.readSync(file, bytes, filled, bytes.length - filled);
  } finally {
    fs.closeSync(file);
  }
  return bytes;
}

/** Some bytes, which nobody else gets. */
function take(size) {
  if (pool.length < size) pool = fill(Buffer.alloc(POOL));
  const bytes = pool.subarray(0, size);
  pool = pool.subarray(size);
  return bytes;
}

/** The bytes of a view or buffer between two of its elements. */
function part(target, offset = 0, size = undefined) {
  const bytes = ArrayBuffer.isView(target)
    ? new Uint8Array(target.buffer, target.byteOffset, target.byteLength) : new Uint8Array(target);
  const unit = target.BYTES_PER_ELEMENT || 1;
  return bytes.subarray(offset * unit, size === undefined ? undefined : (offset + size) * unit);
}

function random() {
  const bytes = take(8);
  return ((bytes.readUInt32LE(0) >>> 5) * 2 ** 26 + (bytes.readUInt32LE(4) >>> 6)) / 2 ** 53;
}

function below(range) {
  const limit = 2 ** 48 - (2 ** 48 % range);
  for (;;) {
    const value = take(6).readUIntLE(0, 6);
    if (value < limit) return value % range;
  }
}

function uuid() {
  const bytes = Buffer.from(take(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(UUID, '$1-$2-$3-$4-$5');
}

// Each asks the original first, which checks the arguments.
const replacements = {
  randomBytes(size, callback) {
    if (callback === undefined) return fill(randomBytes(size));
    return randomBytes(size, (error, bytes) => callback(error, error ? bytes : fill(bytes)));
  },
  randomFillSync(target, offset, size) {
    randomFillSync(target, offset, size);
    fill(part(target, offset, size));
    return target;
  },
  randomFill(target, ...rest) {
    const callback = rest.pop();
    if (typeof callback !== 'function') return randomFill(target, ...rest, callback);
    return randomFill(target, ...rest, (error, filled) => {
      if (!error) fill(part(target, ...rest));
      callback(error, filled);
    });
  },
  randomInt(min, max, callback) {
    if (typeof max !== 'number') [min, max, callback] = [0, min, max];
    randomInt(min, max);
    const value = min + below(max - min);
    return callback === undefined ? value : void process.nextTick(callback, undefined, value);
  },
  randomUUID(options) {
    randomUUID(options);
    return uuid();
  },
};

function replace(object, name, value) {
  Object.defineProperty(value, 'name', { value: name });
  Object.defineProperty(object, name, { value, writable: true, configurable: true,
    enumerable: Object.getOwnPropertyDescriptor(object, name)?.enumerable ?? false });
}

function replaceAll() {
  replace(Math, 'random', () => random());
  for (const [name, value] of Object.entries(replacements)) replace(crypto, name, value);
  replace(prototype, 'randomUUID', function () {
    webUUID.call(this);
    return uuid();
  });
  replace(prototype, 'getRandomValues', function (array) {
    getRandomValues.call(this, array);
    fill(part(array));
    return array;
  });
  syncBuiltinESMExports();
}

/** Loading it is all that is needed (src/interpreter/reseed.c); as a module it is always refused. */
function reseedOpenSsl() {
  try {
    dlopen.call(process, { exports: {} }, RESEED);
  } catch {
    // as it should be
  }
}

function renewRandomness() {
  reseedOpenSsl();
  pool = Buffer.alloc(0);
  if (!isReplaced) replaceAll();
  isReplaced = true;
}

module.exports = { renewRandomness };
