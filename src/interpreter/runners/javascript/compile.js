'use strict';
// From the text of a cell to a compiled script, through the transpiler when the text is not JavaScript.

const vm = require('vm');
const { rewrite } = require('./rewrite');

/** A SyntaxError that shows the place: V8's, or acorn's where V8 has other objections first. */
function syntaxError(code, file, parserError) {
  try {
    new vm.Script(`(async () => {\n${code}\n})`, { filename: file, lineOffset: -1 });
  } catch (error) {
    if (!/outside a module/.test(error.message)) return error;
  }
  const { loc, message } = parserError;
  const text = message.replace(/ \(\d+:\d+\)$/, '');
  const error = new SyntaxError(text);
  const line = code.split('\n')[loc.line - 1] ?? '';
  error.stack = `${file}:${loc.line}\n${line}\n${' '.repeat(loc.column)}^\n\nSyntaxError: ${text}`;
  return error;
}

/** The rewritten cell, and whether it was TypeScript. */
function toScript(code, file, language) {
  let parserError;
  try {
    return { ...rewrite(code, file), isTyped: language === 'typescript' };
  } catch (error) {
    parserError = error;
  }
  let plain;
  try {
    // Loaded here: most cells are plain JavaScript, and the transpiler costs more than all the rest.
    plain = require('./transpile').transpile(code, file);
  } catch (error) {
    throw language === 'typescript' && error.code !== 'MODULE_NOT_FOUND' ? error : syntaxError(code, file, parserError);
  }
  return { ...rewrite(plain, file), isTyped: true };
}

/** What import() in a cell does: modules are found from the directory of `file`. */
const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;

/** Loads a module as a cell would. */
function load(request, attributes, file) {
  const loader = new vm.Script('(request, options) => import(request, options)', { filename: file, importModuleDynamically });
  return loader.runInThisContext()(request, { with: attributes });
}

/** Returns {script, isAsync, isTyped, names, imports, hasValue}. */
function compile(code, file, language) {
  const { code: source, columnOffset, ...rest } = toScript(code, file, language);
  const script = new vm.Script(source, {
    filename: file, columnOffset, importModuleDynamically,
  });
  return { script, ...rest };
}

module.exports = { compile, load };
