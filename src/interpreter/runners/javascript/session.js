'use strict';
// One context: its names, its counter, the cell that runs.

const { createRequire, Module } = require('module');
const path = require('path');
const util = require('util');
const { compile, load } = require('./compile');
const { bundleOf, resultLine, whenReady } = require('./display');
const { overlayEnvironment } = require('./environment');
const { Interrupted, SystemExit, errorLine, traceback } = require('./errors');
const { Watchdog } = require('./watchdog');

/** Makes room for a name in the global object. Accessors such as `crypto` would not take another value. */
function declare(name) {
  const found = Object.getOwnPropertyDescriptor(globalThis, name);
  if (found && (!found.configurable || 'value' in found)) return;
  Object.defineProperty(globalThis, name, {
    value: found ? globalThis[name] : undefined, writable: true, enumerable: true, configurable: true,
  });
}

/** An export that an import names. Packages in CommonJS show some of theirs as properties of the default only. */
function exportOf(namespace, name, request, isLenient) {
  if (name === null) return namespace;
  if (name in namespace) return namespace[name];
  const fallback = Object(namespace.default);
  if (name in fallback) return fallback[name];
  // It may be a type.
  if (isLenient) return undefined;
  const error = new SyntaxError(`The requested module '${request}' does not provide an export named '${name}'`);
  error.stack = String(error);
  throw error;
}

async function importAll(cell, file) {
  const loaded = await Promise.all(cell.imports.map(({ request, attributes }) => load(request, attributes, file)));
  cell.imports.forEach(({ request, bindings }, i) => {
    for (const { local, name } of bindings) {
      globalThis[local] = exportOf(loaded[i], name, request, cell.isTyped);
    }
  });
}

class Session {
  constructor(channel, language) {
    this.channel = channel;
    this.language = language;
    this.count = 0;
    this.cell = null;
    this.cwd = null;
    this.watchdog = new Watchdog(() => this.interrupt());
  }

  /** Text of the user's program. Between cells it belongs to the next one. */
  write(kind, text) {
    if (!this.cell?.silent) this.channel.sendText(kind, text);
  }

  /** Ends the cell that runs, whatever it waits for. */
  fail(reason) {
    this.cell?.reject(reason);
  }

  interrupt() {
    this.fail(new Interrupted());
  }

  exit(code) {
    const exit = new SystemExit(code);
    this.fail(exit);
    throw exit;
  }

  /** An error that no code of the user caught: the context goes on. */
  report(thrown) {
    if (!(thrown instanceof SystemExit)) this.write('e', `Uncaught ${traceback(thrown)}\n`);
  }

  emit(bundle, isMain) {
    const sent = whenReady(bundle, (ready) => {
      if (ready === null || typeof ready !== 'object') throw new TypeError('a bundle is an object of MIME types');
      if (this.cell?.silent) return;
      if (this.cell && isMain) this.cell.hasResult = true;
      if (!this.channel.sendLine(resultLine(ready, isMain))) throw new RangeError('the result is larger than 64 MiB');
    });
    if (!util.types.isPromise(sent)) return undefined;
    this.cell?.pending.push(sent);
    return sent;
  }

  suspend(on) {
    if (!this.cell) return;
    this.cell.hasResult = true;
    this.cell.suspension = on ? new Promise((resolve) => { this.cell.resume = resolve; }) : null;
  }

  resume() {
    this.cell?.resume?.();
  }

  /** `require` and its companions belong to the working directory. */
  #enterDirectory() {
    const cwd = process.cwd();
    if (cwd === this.cwd) return;
    this.cwd = cwd;
    const filename = path.join(cwd, '[cell]');
    const module = new Module(filename);
    module.filename = filename;
    module.paths = Module._nodeModulePaths(cwd);
    const require = createRequire(filename);
    require.main = module;
    for (const [name, value] of Object.entries({
      require, module, exports: module.exports, __filename: filename, __dirname: cwd,
    })) {
      Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
    }
  }

  async #evaluate(code, name) {
    this.#enterDirectory();
    const file = path.join(this.cwd, name);
    const cell = compile(code, file, this.language);
    cell.names.forEach(declare);
    if (cell.imports.length) await importAll(cell, file);
    if (cell.isAsync) this.watchdog.start();
    let value;
    try {
      value = cell.script.runInThisContext({ breakOnSigint: !this.watchdog.isStarted, displayErrors: false });
    } catch (error) {
      throw error?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new Interrupted() : error;
    }
    if (cell.isAsync) value = (await value())?.value;
    else if (!cell.hasValue) value = undefined;
    return util.types.isPromise(value) ? { value: await value } : { value };
  }

  async #run(code, name) {
    const { value } = await this.#evaluate(code, name);
    await this.cell.suspension;
    if (value !== undefined && !this.cell.hasResult) this.emit(bundleOf(value), true);
    await Promise.all(this.cell.pending);
  }

  async execute({ code, env = {}, silent = false }) {
    const cell = { silent, pending: [], suspension: null, hasResult: false };
    const ended = new Promise((_, reject) => { cell.reject = reject; });
    ended.catch(() => {});
    this.cell = cell;
    const restore = overlayEnvironment(env);
    if (!silent) this.channel.sendJson('C', { execution_count: ++this.count });
    try {
      await this.watchdog.ready;
      // In a callback of its own: an interrupt may end everything that is on the stack.
      const run = new Promise((resolve) => {
        setImmediate(() => {
          this.watchdog.enter();
          resolve(this.#run(code, `[cell ${this.count}]`));
        });
      });
      await Promise.race([ended, run]);
    } catch (thrown) {
      this.channel.sendLine(errorLine(thrown));
    } finally {
      this.watchdog.leave();
    }
    // Rejections that nobody handles are reported before the cell ends.
    await new Promise(setImmediate);
    restore();
    this.cell = null;
    this.channel.send('D', '{}');
  }
}

module.exports = { Session };
