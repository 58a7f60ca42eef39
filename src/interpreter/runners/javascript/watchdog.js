'use strict';
// Interrupts of code that runs after an `await`.
//
// Node's vm module ends a script at SIGINT, but not the callbacks that follow, and a loop in one of them keeps the
// listener for SIGINT from ever being called. A second thread can wait for the signal and end what this one executes.
// It costs some 10 MB, so it is started by the first cell that uses `await`; till then the vm module is enough.

const path = require('path');

// Without this option Node takes the end of a callback by another thread for a bug of its own, and aborts.
const OPTION = '--no-force-async-hooks-checks';
// Indices of the shared numbers; watchdog_thread.js has them too.
const BUSY = 0; // a cell runs
const HEARD = 1; // this thread has been told of the interrupt

class Watchdog {
  constructor(interrupt) {
    this.interrupt = interrupt;
    this.shared = new Int32Array(new SharedArrayBuffer(8));
    this.isStarted = false;
  }

  start() {
    if (this.isStarted || !process.execArgv.includes(OPTION)) return;
    const { Worker } = require('worker_threads'); // here: most contexts do without
    const worker = new Worker(path.join(__dirname, 'watchdog_thread.js'), {
      workerData: this.shared, execArgv: [], argv: [], env: {}, resourceLimits: { maxOldGenerationSizeMb: 16 },
    });
    worker.unref();
    worker.on('message', () => {
      Atomics.store(this.shared, HEARD, 1);
      this.interrupt();
    });
    this.isStarted = true;
  }

  enter() {
    Atomics.store(this.shared, HEARD, 0);
    Atomics.store(this.shared, BUSY, 1);
  }

  leave() {
    Atomics.store(this.shared, BUSY, 0);
  }
}

module.exports = { Watchdog };
