'use strict';
// Values as results: bundles of MIME types, the hooks by which a value describes itself, and the objects that cells
// call, `display` and, as in IJavascript, `$$`.

const util = require('util');

const FIELDS = {
  'text/plain': 'text', 'text/html': 'html', 'text/markdown': 'markdown', 'image/svg+xml': 'svg', 'image/png': 'png',
  'image/jpeg': 'jpeg', 'application/pdf': 'pdf', 'text/latex': 'latex', 'application/json': 'json',
  'application/javascript': 'javascript', 'e2b/data': 'data', 'e2b/chart': 'chart',
};
const STRUCTURED = new Set(['json', 'data', 'chart']);
const HOOKS = { _toHtml: 'text/html', _toSvg: 'image/svg+xml', _toPng: 'image/png', _toJpeg: 'image/jpeg' };
const DISPLAY = Symbol.for('Jupyter.display');
const INSPECT = { maxStringLength: Infinity };

function fieldValue(field, value) {
  if (STRUCTURED.has(field)) return value;
  if (ArrayBuffer.isView(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      .toString(field === 'html' || field === 'svg' || field === 'text' ? 'utf8' : 'base64');
  }
  return String(value);
}

/** The line of a result for a bundle {MIME type: content}. */
function resultLine(bundle, isMain) {
  const line = { type: 'result' };
  const extra = {};
  for (const [mime, value] of Object.entries(bundle)) {
    if (value === undefined || value === null) continue;
    const field = FIELDS[mime];
    if (field) line[field] = fieldValue(field, value);
    else extra[mime] = ArrayBuffer.isView(value) ? fieldValue(mime, value) : value;
  }
  line.extra = extra;
  line.is_main_result = isMain;
  return line;
}

/** A hook that fails counts as absent: the value is still worth showing. */
function call(value, hook) {
  try {
    return typeof value[hook] === 'function' ? value[hook]() : undefined;
  } catch {
    return undefined;
  }
}

const isPromise = util.types.isPromise;

/** Calls `then` with the value, or with what the promise resolves to. What is there at once is used at once, in order. */
function whenReady(value, then) {
  return isPromise(value) ? value.then(then) : then(value);
}

/** The bundle of a value; a promise of it if a hook of the value answers with one. */
function bundleOf(value) {
  // A string is shown as it is: without quotes, with its line breaks.
  const text = () => ({ 'text/plain': typeof value === 'string' ? value : util.inspect(value, INSPECT) });
  const isOpaque = value === null || !/^(object|function)$/.test(typeof value) || util.types.isProxy(value);
  if (isOpaque) return text();
  const parts = [DISPLAY, '_toMime'].map((hook) => call(value, hook));
  for (const [hook, mime] of Object.entries(HOOKS)) {
    parts.push(whenReady(call(value, hook), (content) => ({ [mime]: content })));
  }
  const merge = (bundles) => {
    const bundle = {};
    for (const own of bundles) {
      for (const [mime, content] of Object.entries(Object(own))) bundle[mime] ??= content;
    }
    return 'text/plain' in bundle ? bundle : { ...text(), ...bundle };
  };
  return parts.some(isPromise) ? Promise.all(parts).then(merge) : merge(parts);
}

/** IJavascript's object of senders; each takes a value or a promise of one. */
function makeSenders(send, extras) {
  const senders = { ...extras };
  const formats = {
    text: 'text/plain', html: 'text/html', svg: 'image/svg+xml', png: 'image/png', jpeg: 'image/jpeg',
    json: 'application/json', mime: null,
  };
  for (const [name, mime] of Object.entries(formats)) {
    senders[name] = (content, keepAlive) => send(
      whenReady(content, (value) => (mime ? { [mime]: value } : value)), keepAlive);
  }
  return senders;
}

/**
 * Puts `display` and `$$` into the global object. `session` offers emit(bundle or promise of one, isMain),
 * suspend(on), resume() and fail(error).
 */
function installGlobals(session) {
  const define = (name, value) => Object.defineProperty(globalThis, name, {
    value, writable: true, configurable: true, enumerable: false,
  });
  define('display', (value, { mime, raw = false } = {}) => {
    if (mime) return session.emit({ [mime]: value }, false);
    return session.emit(raw ? value : bundleOf(value), false);
  });
  const sendResult = (bundle, keepAlive) => {
    const sent = session.emit(bundle, true);
    if (!keepAlive) session.resume();
    return sent;
  };
  define('$$', makeSenders(sendResult, {
    async: (on = true) => session.suspend(on),
    done: (value) => sendResult(bundleOf(value)),
    sendResult: (value, keepAlive) => sendResult(whenReady(value, bundleOf), keepAlive),
    sendError: (error) => session.fail(error),
    display: () => makeSenders((bundle) => session.emit(bundle, false), { close() {} }),
    clear() {},
    input() { throw new Error('cells have no standard input'); },
  }));
  for (const [name, mime] of Object.entries({
    $$mime$$: null, $$html$$: 'text/html', $$svg$$: 'image/svg+xml', $$png$$: 'image/png', $$jpeg$$: 'image/jpeg',
  })) {
    Object.defineProperty(globalThis, name, {
      set: (value) => { sendResult(mime ? { [mime]: value } : value); },
      configurable: true, enumerable: false,
    });
  }
}

module.exports = { bundleOf, resultLine, installGlobals, whenReady };
