'use strict';
// The thread of watchdog.js. It waits in a script that SIGINT ends; the handler belongs to the whole process.

const inspector = require('inspector');
const vm = require('vm');
const { parentPort, workerData: shared } = require('worker_threads');

const BUSY = 0;
const HEARD = 1;
// Milliseconds in which the main thread hears of the interrupt if it executes nothing long.
const PATIENCE = 100;
const NEVER = new Int32Array(new SharedArrayBuffer(4));

const session = new inspector.Session();
session.connectToMainThread();

const OPTIONS = { breakOnSigint: true, displayErrors: false };
const pause = new vm.Script('watchdogPause()');
const watch = new vm.Script('watchdogWatch()');

function runUntilSignal(script) {
  try {
    script.runInThisContext(OPTIONS);
  } catch {
    // That was the signal.
  }
}

function handleSignal() {
  if (Atomics.load(shared, BUSY) === 0) return;
  Atomics.store(shared, HEARD, 0);
  parentPort.postMessage('interrupt');
  Atomics.wait(shared, HEARD, 0, PATIENCE);
  if (Atomics.load(shared, HEARD) === 0 && Atomics.load(shared, BUSY) === 1) session.post('Runtime.terminateExecution');
}

globalThis.watchdogPause = () => Atomics.wait(NEVER, 0, 0);
globalThis.watchdogWatch = () => {
  for (;;) {
    runUntilSignal(pause);
    handleSignal();
  }
};

// One inside the other: between two pauses the outer one keeps the handler, without which the signal ends the process.
for (;;) runUntilSignal(watch);
