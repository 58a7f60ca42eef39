'use strict';
// Errors of cells as lines of the answer.

const util = require('util');

// Characters; a longer text is no help, and would not fit into a frame.
const MAX_TRACEBACK = 1024 * 1024;

class Interrupted extends Error {
  constructor() {
    super('the cell was interrupted');
    this.name = 'KeyboardInterrupt';
    this.stack = `${this.name}: ${this.message}`;
  }
}

class SystemExit extends Error {
  constructor(code) {
    super(String(code ?? process.exitCode ?? 0));
    this.name = 'SystemExit';
  }
}

/** The text of a thrown value, without this program's own frames and with cells by their short names. */
function traceback(thrown) {
  let text;
  try {
    text = util.inspect(thrown);
  } catch {
    text = 'the thrown value cannot be shown';
  }
  const lines = [];
  if (text.length > MAX_TRACEBACK) text = `${text.slice(0, MAX_TRACEBACK)}\n... (${text.length} characters)`;
  for (const line of text.split('\n')) {
    if (!/^\s+at /.test(line) || !(line.includes(__dirname) || /\(?node:(vm|internal)[:/]/.test(line))) lines.push(line);
    else if (line.endsWith(' {') && lines.length) lines[lines.length - 1] += ' {'; // properties of the error follow
  }
  // An error without frames is shown in brackets.
  return (util.types.isNativeError(thrown) ? lines.join('\n').replace(/^\[([^]*)\]$/, '$1') : lines.join('\n'))
    .replace(/(?:file:\/\/)?\/[^\s()]*?(\[cell \d+\]|%5Bcell%20\d+%5D)/g, (_, cell) => decodeURI(cell).replace('%5D', ']'));
}

function property(thrown, name) {
  try {
    return thrown[name] === undefined || thrown[name] === '' ? undefined : String(thrown[name]);
  } catch {
    return undefined;
  }
}

function errorLine(thrown) {
  const isObject = thrown !== null && typeof thrown === 'object';
  const text = traceback(thrown);
  return {
    type: 'error',
    name: (isObject && property(thrown, 'name')) || typeof thrown,
    value: isObject && util.types.isNativeError(thrown) ? (property(thrown, 'message') ?? '').slice(0, MAX_TRACEBACK) : text,
    traceback: text,
  };
}

module.exports = { Interrupted, SystemExit, errorLine, traceback };
