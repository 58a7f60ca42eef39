'use strict';
// Packages that the template brings for this program. They are found wherever npm or Debian puts them, and users' own
// copies in their directories are not taken for them.

const FOLDERS = ['/usr/local/lib/node_modules', '/usr/lib/node_modules', '/usr/share/nodejs'];

function load(name) {
  for (const folder of FOLDERS) {
    try {
      return require(`${folder}/${name}`);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  const error = new Error(`the template has no package ${name}; install it with: npm install -g ${name}`);
  error.code = 'MODULE_NOT_FOUND';
  throw error;
}

module.exports = { load };
