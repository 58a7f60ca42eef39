// Node without packages: versions, an async function, and JSON.
const os = require('node:os');

async function main() {
  await new Promise((resolve) => setTimeout(resolve, 5));
  const squares = Array.from({ length: 5 }, (_, i) => (i + 1) ** 2);
  console.log(`hello from node ${process.versions.node} on ${os.platform()}`);
  console.log(JSON.stringify({ squares, sum: squares.reduce((a, b) => a + b, 0) }));
}

main();
