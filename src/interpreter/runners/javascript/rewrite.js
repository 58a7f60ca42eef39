'use strict';
// Turns the text of a cell into a script whose top-level names outlive it.
//
// let, const and class at the top level become assignments to properties of the global object, as scripts cannot
// declare the same name twice. Cells with `await` at the top level become an async function; then `var` and function
// declarations are assigned too. Line numbers stay as they are.

const { pathToFileURL } = require('url');
const path = require('path');
const acorn = require('./libraries').load('acorn');

const OPTIONS = {
  ecmaVersion: 'latest',
  sourceType: 'script',
  allowImportExportEverywhere: true,
  allowAwaitOutsideFunction: true,
  allowHashBang: true,
};
const PREFIX = '(async () => { ';
const FUNCTIONS = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression', 'StaticBlock']);

/** Every name that a pattern declares. */
function addNames(pattern, names) {
  switch (pattern && pattern.type) {
    case 'Identifier': names.add(pattern.name); break;
    case 'ObjectPattern': for (const p of pattern.properties) addNames(p.value || p.argument, names); break;
    case 'ArrayPattern': for (const p of pattern.elements) addNames(p, names); break;
    case 'AssignmentPattern': addNames(pattern.left, names); break;
    case 'RestElement': addNames(pattern.argument, names); break;
  }
}

class Rewriter {
  constructor(code, file) {
    this.code = code;
    this.file = file;
    this.edits = [];
    this.names = new Set();
    this.hoisted = [];
    this.varLists = [];
    this.imports = [];
    this.isAsync = false;
  }

  replace(start, end, text) {
    this.edits.push({ start, end, text });
  }

  /** What may be anywhere: await and var (outside functions), import.meta. */
  walk(node, parent, inFunction) {
    switch (node.type) {
      case 'AwaitExpression':
        this.isAsync ||= !inFunction;
        break;
      case 'ForOfStatement':
        this.isAsync ||= node.await && !inFunction;
        break;
      case 'VariableDeclaration':
        if (node.kind === 'var' && !inFunction) {
          for (const { id } of node.declarations) addNames(id, this.names);
          this.varLists.push({ node, parent });
        }
        break;
      case 'MetaProperty':
        if (node.meta.name === 'import') this.replace(node.start, node.end, this.importMeta());
        break;
    }
    const inside = inFunction || FUNCTIONS.has(node.type) || node.type === 'PropertyDefinition';
    for (const key in node) {
      const child = node[key];
      if (Array.isArray(child)) {
        for (const item of child) if (item && item.type) this.walk(item, node, inside);
      } else if (child && typeof child.type === 'string') {
        this.walk(child, node, inside);
      }
    }
  }

  importMeta() {
    const url = pathToFileURL(this.file).href;
    return `({url:${JSON.stringify(url)},filename:${JSON.stringify(this.file)},dirname:${
      JSON.stringify(path.dirname(this.file))}})`;
  }

  /** `let a = 1, {b} = c;` becomes `void (a = 1, {b} = c);`. In the head of a loop only the keyword goes. */
  assign(node, parent) {
    const isLoop = parent && (parent.type === 'ForOfStatement' || parent.type === 'ForInStatement') && parent.left === node;
    const first = node.declarations[0];
    if (isLoop) {
      this.replace(node.start, first.start, '');
      return;
    }
    this.replace(node.start, first.start, 'void (');
    if (node.kind === 'let') {
      for (const { id, init } of node.declarations) if (!init) this.replace(id.end, id.end, ' = undefined');
    }
    const last = node.declarations.at(-1);
    const hasSemicolon = this.code[node.end - 1] === ';';
    this.replace(last.end, last.end, hasSemicolon || (parent && parent.type === 'ForStatement') ? ')' : ');');
  }

  /** Modules are loaded before the cell runs, whose names for what they export are set then. */
  importFrom(node) {
    const attributes = Object.fromEntries(
      (node.attributes || []).map(({ key, value }) => [key.name ?? key.value, value.value]));
    const bindings = [];
    for (const specifier of node.type === 'ImportDeclaration' ? node.specifiers : []) {
      const imported = { ImportNamespaceSpecifier: null, ImportDefaultSpecifier: 'default' }[specifier.type];
      const name = imported === undefined ? specifier.imported.name ?? specifier.imported.value : imported;
      this.names.add(specifier.local.name);
      bindings.push({ local: specifier.local.name, name });
    }
    this.imports.push({ request: node.source.value, attributes, bindings });
    this.blank(node);
  }

  /** Removes a statement, and keeps the lines. */
  blank(node) {
    const lines = this.code.slice(node.start, node.end).replace(/[^\n]/g, '');
    this.replace(node.start, node.end, ';' + lines);
  }

  /** Cells are no modules that somebody imports: `export` only goes away. Returns the statement that is left. */
  unexport(node) {
    if (node.type === 'ExportAllDeclaration' || node.source) {
      this.importFrom(node);
      return null;
    }
    if (!node.declaration) {
      this.blank(node);
      return null;
    }
    const inner = node.declaration;
    const isNamed = inner.id || inner.type === 'VariableDeclaration';
    if (isNamed) {
      this.replace(node.start, inner.start, '');
      return inner;
    }
    this.replace(node.start, inner.start, '(');
    this.replace(inner.end, inner.end, ')');
    return { type: 'ExpressionStatement', expression: inner, start: node.start, end: node.end, wrapped: true };
  }

  declare(node) {
    switch (node.type) {
      case 'ImportDeclaration':
        this.importFrom(node);
        break;
      case 'ClassDeclaration':
        this.names.add(node.id.name);
        this.replace(node.start, node.start, `void (${node.id.name} = `);
        this.replace(node.end, node.end, ');');
        break;
      case 'FunctionDeclaration':
        this.names.add(node.id.name);
        if (this.isAsync) this.hoisted.unshift(`globalThis.${node.id.name} = ${node.id.name}; `);
        break;
      case 'VariableDeclaration':
        if (node.kind === 'var') break;
        for (const { id } of node.declarations) addNames(id, this.names);
        this.assign(node, null);
        break;
    }
  }

  /** The value of a cell is that of its last statement, if that is an expression. */
  returnValue(node) {
    if (!node || node.type !== 'ExpressionStatement') return false;
    if (this.isAsync) {
      const { start, end } = node.wrapped ? node : node.expression;
      this.replace(start, start, 'return { value: (');
      this.replace(end, end, '\n) }');
    }
    return true;
  }

  apply() {
    const sorted = this.edits.map((edit, order) => ({ ...edit, order }))
      .sort((a, b) => a.start - b.start || a.end - b.end || a.order - b.order);
    let text = '';
    let at = 0;
    for (const edit of sorted) {
      text += this.code.slice(at, edit.start) + edit.text;
      at = edit.end;
    }
    return text + this.code.slice(at);
  }
}

/** Whether a statement does nothing, so that the value of the one before it counts. */
function isBare(node) {
  return node.type === 'EmptyStatement' || node.type === 'FunctionDeclaration' ||
    (node.type === 'VariableDeclaration' && node.kind === 'var' && node.declarations.every(({ init }) => !init));
}

/** `{a: 1}` alone is an object, not a block with a label. */
function parse(code) {
  if (/^\s*\{/.test(code) && !/;\s*$/.test(code)) {
    const wrapped = `(${code}\n)`;
    try {
      return { code: wrapped, program: acorn.parse(wrapped, OPTIONS) };
    } catch {
      // It is a block.
    }
  }
  return { code, program: acorn.parse(code, OPTIONS) };
}

/**
 * Returns {code, isAsync, names, imports, hasValue, columnOffset}. A script with isAsync evaluates to a function that
 * answers with a promise of {value} or undefined. imports: [{request, attributes, bindings: [{local, name}]}], with the
 * name null for the namespace itself. Throws acorn's SyntaxError.
 */
function rewrite(text, file) {
  const { code, program } = parse(text);
  const rewriter = new Rewriter(code, file);
  rewriter.walk(program, null, false);
  let last = null;
  for (const statement of program.body) {
    const node = statement.type.startsWith('Export') ? rewriter.unexport(statement) : statement;
    if (node) rewriter.declare(node);
    if (!isBare(statement)) last = node;
  }
  if (rewriter.isAsync) for (const { node, parent } of rewriter.varLists) rewriter.assign(node, parent);
  const hasValue = rewriter.returnValue(last);
  const body = rewriter.apply();
  const { isAsync, names, imports } = rewriter;
  const cell = { isAsync, names, imports, hasValue };
  if (!isAsync) return { ...cell, code: body, columnOffset: 0 };
  const prefix = PREFIX + rewriter.hoisted.join('');
  return { ...cell, code: `${prefix}${body}\n})`, columnOffset: -prefix.length };
}

module.exports = { rewrite };
