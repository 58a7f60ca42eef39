'use strict';
// One context: its names, its counter, the cell that runs.

const { createRequire, Module } = require('module');
const path = require('path');
const util = require('util');
const vm = require('vm');
const { compile, load } = require('./compile');
const { bundleOf, resultLine, whenReady } = require('./display');
const { overlayEnvironment } = require('./environment');
const { Interrupted, SystemExit, errorLine, traceback } = require('./errors');
const { Watchdog } = require('./watchdog');

// Characters of text that are kept between two cells; more is lost.
const MAX_HELD = 256 * 1024;
// vm watches for SIGINT while a script runs, not while a function of it does: this one calls what setGuarded() was given.
const GUARDED_NAME = Symbol.for('warren.guarded');
const GUARDED = new vm.Script('globalThis[Symbol.for("warren.guarded")]()');

function setGuarded(value) {
  Object.defineProperty(globalThis, GUARDED_NAME, { value, configurable: true, enumerable: false });
}

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
    this.held = [];
    this.heldLength = 0;
    this.watchdog = new Watchdog(() => this.interrupt());
  }

  /** Text of the user's program. Between cells, where the agent would drop it, it is kept for the next one. */
  write(kind, text) {
    if (this.cell?.hasBegun) {
      if (!this.cell.silent) this.channel.sendText(kind, text);
    } else if (this.heldLength + text.length <= MAX_HELD) {
      this.held.push([kind, text]);
      this.heldLength += text.length;
    }
  }

  #sendHeld() {
    for (const [kind, text] of this.held) this.channel.sendText(kind, text);
    this.held = [];
    this.heldLength = 0;
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

  /**
   * Runs a script. Once it has begun, the agent may interrupt it at any moment, so `begin` is called where SIGINT is
   * watched for already: inside the script GUARDED, or with the watchdog on.
   */
  #runScript(script, begin) {
    const options = { displayErrors: false };
    if (this.watchdog.isStarted) {
      this.watchdog.enter();
      begin();
      return script.runInThisContext(options);
    }
    let value;
    setGuarded(() => {
      begin();
      value = script.runInThisContext(options);
    });
    try {
      GUARDED.runInThisContext({ breakOnSigint: true, ...options });
    } catch (error) {
      throw error?.code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED' ? new Interrupted() : error;
    }
    return value;
  }

  async #evaluate(code, cell) {
    this.#enterDirectory();
    const file = path.join(this.cwd, `[cell ${cell.count}]`);
    const program = compile(code, file, this.language);
    program.names.forEach(declare);
    if (program.imports.length) {
      cell.begin();
      await importAll(program, file);
      if (cell.isOver) return undefined;
    }
    if (program.isAsync) this.watchdog.start();
    const value = this.#runScript(program.script, cell.begin);
    if (program.isAsync) return (await value())?.value;
    return program.hasValue ? value : undefined;
  }

  async #run(code, cell) {
    const value = await this.#evaluate(code, cell);
    await cell.suspension;
    if (cell.isOver) return;
    if (value !== undefined && !cell.hasResult) this.emit(bundleOf(value), true);
    await Promise.all(cell.pending);
  }

  #newCell(silent) {
    const cell = { silent, pending: [], suspension: null, hasResult: false, isOver: false, hasBegun: false };
    cell.count = silent ? this.count : ++this.count;
    cell.begin = () => {
      if (cell.hasBegun) return;
      cell.hasBegun = true;
      if (silent) return;
      this.channel.sendJson('C', { execution_count: cell.count });
      this.#sendHeld();
    };
    cell.ended = new Promise((_, reject) => { cell.reject = reject; });
    cell.ended.catch(() => {});
    return cell;
  }

  async execute({ code, env = {}, silent = false }) {
    const cell = this.#newCell(silent);
    this.cell = cell;
    const restore = overlayEnvironment(env);
    try {
      // In a callback of its own: the watchdog ends everything that is on the stack.
      const run = new Promise((resolve) => { setImmediate(() => resolve(this.#run(code, cell))); });
      await Promise.race([cell.ended, run]);
    } catch (thrown) {
      cell.begin();
      this.channel.sendLine(errorLine(thrown));
    } finally {
      this.watchdog.leave();
      cell.isOver = true;
    }
    // Rejections that nobody handles are reported before the cell ends.
    await new Promise(setImmediate);
    restore();
    this.cell = null;
    this.channel.send('D', '{}');
  }
}

module.exports = { Session };
