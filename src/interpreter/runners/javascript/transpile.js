'use strict';
// TypeScript to JavaScript with swc. Types are removed, not checked.

const { transformSync } = require('./libraries').load('@swc/core');

const OPTIONS = {
  jsc: {
    parser: { syntax: 'typescript', decorators: true },
    target: 'es2022',
    transform: {
      legacyDecorator: true,
      decoratorMetadata: true,
      // A later cell may use what this one imports.
      verbatimModuleSyntax: true,
    },
  },
  module: { type: 'es6' },
  isModule: true,
  swcrc: false,
  configFile: false,
};

/** `import x = require("y")`, which swc knows in CommonJS output only. */
const IMPORT_REQUIRE = /^(\s*)import\s+([\w$]+)\s*=(?=\s*require\s*\()/gm;

/** Returns JavaScript. Throws a SyntaxError that shows the place. */
function transpile(code, file) {
  try {
    return transformSync(code.replace(IMPORT_REQUIRE, '$1const $2 ='), { ...OPTIONS, filename: file }).code;
  } catch (error) {
    const shown = String(error.message ?? error).replace(/\x1b\[[0-9;]*m/g, '').split('\n\nCaused by')[0].trimEnd();
    const [, what = 'the code is not TypeScript'] = /^\s*x (.*)/m.exec(shown) || [];
    const syntax = new SyntaxError(what);
    syntax.stack = `${shown}\n\nSyntaxError: ${what}`;
    throw syntax;
  }
}

module.exports = { transpile };
