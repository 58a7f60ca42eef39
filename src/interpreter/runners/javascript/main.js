'use strict';
// Runner of JavaScript and TypeScript cells: node main.js [javascript|typescript]

const { Channel } = require('./channel');
const { Session } = require('./session');
const { installGlobals } = require('./display');
const { installStreams } = require('./streams');
const { replaceEnvironment } = require('./environment');
const { renewRandomness } = require('./randomness');

const SOCKET = 3;
const { reallyExit } = process;

/** Node warns at the first import() of a cell that the way it is loaded may change; that is not the user's business. */
function silenceLoaderWarning() {
  const { emitWarning } = process;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).startsWith('vm.USE_MAIN_CONTEXT_DEFAULT_LOADER')) emitWarning.call(process, warning, ...rest);
  };
}

function install(session) {
  silenceLoaderWarning();
  installStreams((kind, text) => session.write(kind, text));
  installGlobals(session);
  process.exit = (code) => session.exit(code);
  process.on('SIGINT', () => session.interrupt());
  process.on('SIGURG', renewRandomness); // before the frame N, while a cell waits
  process.on('uncaughtException', (error) => session.report(error));
  process.on('unhandledRejection', (reason) => session.report(reason));
  process.argv = [process.execPath, ''];
  // A cell may wait for something that does not keep the loop alive.
  setInterval(() => {}, 2 ** 30);
}

function enter(directory) {
  try {
    process.chdir(directory);
  } catch {
    // The agent put this process there already.
  }
}

async function main() {
  const channel = new Channel(SOCKET);
  const session = new Session(channel, process.argv[2] || 'javascript');
  const handlers = {
    I({ cwd, env }) {
      replaceEnvironment(env);
      enter(cwd);
      channel.sendJson('R', { pid: process.pid });
    },
    // Every runner is a process of its own: its randomness is nobody else's.
    A({ env }) {
      replaceEnvironment(env);
      channel.sendJson('R', { pid: process.pid });
    },
    N({ env }) {
      renewRandomness();
      Object.assign(process.env, env);
      channel.sendJson('n', {});
    },
    X: (request) => session.execute(request),
  };
  install(session);
  for (;;) {
    const { kind, body } = await channel.receive();
    await handlers[kind](body);
  }
}

main().catch(() => reallyExit.call(process, 0));
