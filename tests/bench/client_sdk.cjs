// Times the JavaScript SDK as a user calls it: client_sdk.cjs PACKAGE TEMPLATE ROUNDS WARM_UP RUNS. Prints JSON of series in microseconds.

const [directory, template, rounds, warmUp, runs] = process.argv.slice(2)
const { Sandbox } = require(directory)

async function main() {
  const series = { create: [], create_true: [], true: [] }
  const note = (wanted, name, started) => wanted && series[name].push(Math.round((performance.now() - started) * 1000))
  for (let i = 0; i < Number(warmUp) + Number(rounds); i++) {
    const wanted = i >= Number(warmUp)
    let started = performance.now()
    const sandbox = await Sandbox.create(template)
    note(wanted, 'create', started)
    await sandbox.commands.run('true')
    note(wanted, 'create_true', started)
    for (let n = 0; n < Number(runs); n++) {
      started = performance.now()
      await sandbox.commands.run('true')
      note(wanted, 'true', started)
    }
    await sandbox.kill()
  }
  console.log(JSON.stringify(series))
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
