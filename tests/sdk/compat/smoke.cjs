// What every release of the JavaScript SDK has to be able to do: smoke.cjs DIRECTORY OF NODE_MODULES, NAME OF THE PACKAGE.

const assert = require('node:assert/strict')
const [directory, name] = process.argv.slice(2)
const { CommandExitError, Sandbox, Volume } = require(`${directory}/${name}`)
const { version } = require(`${directory}/${name}/package.json`)

async function main() {
  const sandbox = await Sandbox.create({ timeoutMs: 120_000, metadata: { smoke: 'yes' }, envs: { A: 'b' } })
  try {
    assert.equal((await sandbox.commands.run('echo $A', { user: 'root' })).stdout, 'b\n')
    await assert.rejects(sandbox.commands.run('exit 3'), (error) => error instanceof CommandExitError && error.exitCode === 3)
    await sandbox.files.write('dir/file', 'text')
    assert.equal(await sandbox.files.read('dir/file'), 'text')
    assert.deepEqual((await sandbox.files.list('dir')).map((one) => one.name), ['file'])
    assert.equal(await sandbox.files.exists('dir/nothing'), false)
    const events = []
    const watch = await sandbox.files.watchDir('dir', (event) => events.push(event.type))
    await sandbox.files.write('dir/seen', 'x')
    while (events.length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
    assert.deepEqual(events, ['create', 'chmod', 'write'])
    await watch.stop()
    const handle = await sandbox.commands.run('cat', { background: true, stdin: true })
    await sandbox.commands.sendStdin(handle.pid, 'line\n')
    while (handle.stdout !== 'line\n') await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(await handle.kill(), true)
    let seen = ''
    const terminal = await sandbox.pty.create({ cols: 80, rows: 24, onData: (data) => { seen += Buffer.from(data) } })
    await sandbox.pty.sendInput(terminal.pid, new TextEncoder().encode('echo is$((1))\n'))
    while (!seen.includes('is1')) await new Promise((resolve) => setTimeout(resolve, 20))
    await sandbox.pty.kill(terminal.pid)
    await sandbox.setTimeout(60_000)
    assert.deepEqual((await sandbox.getInfo()).metadata, { smoke: 'yes' })
    const page = await Sandbox.list({ query: { metadata: { smoke: 'yes' } } }).nextItems()
    assert.ok(page.some((one) => one.sandboxId === sandbox.sandboxId))
    assert.equal(await (await Sandbox.connect(sandbox.sandboxId)).isRunning(), true)
  } finally {
    assert.equal(await sandbox.kill(), true)
  }
  assert.equal(await sandbox.isRunning(), false)
  const volume = await Volume.create(`smoke-${process.pid}`)
  try {
    await volume.writeFile('/file', 'from outside')
    const mounting = await Sandbox.create({ timeoutMs: 120_000, volumeMounts: { '/data': volume } })
    try {
      assert.equal((await mounting.commands.run('cat /data/file')).stdout, 'from outside')
    } finally {
      await mounting.kill()
    }
    assert.deepEqual((await volume.list('/')).map((one) => one.name), ['file'])
  } finally {
    assert.equal(await Volume.destroy(volume.volumeId), true)
  }
  console.log('smoke passed', version)
}

main().then(() => process.exit(0), (error) => {
  console.error(error)
  process.exit(1)
})
