'use strict';
// process.env, as a whole and for one cell.

/** The complete environment becomes `wanted`. */
function replaceEnvironment(wanted) {
  for (const name of Object.keys(process.env)) if (!Object.hasOwn(wanted, name)) delete process.env[name];
  Object.assign(process.env, wanted);
}

/** Sets `extra`; the function that is returned puts those names back as they were. */
function overlayEnvironment(extra) {
  const before = Object.keys(extra).map((name) => [name, process.env[name]]);
  Object.assign(process.env, extra);
  return () => {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  };
}

module.exports = { replaceEnvironment, overlayEnvironment };
