// Commands and terminals.

import assert from 'node:assert/strict'
import test from 'node:test'

import { Sandbox, directory, e2b, shared, until, withSandbox } from './support.mjs'

const sandbox = await shared()

test('run', async () => {
  const result = await sandbox.commands.run('echo out; echo err >&2')
  assert.deepEqual([result.exitCode, result.stdout, result.stderr, result.error], [0, 'out\n', 'err\n', undefined])
})

test('exit status', async () => {
  await assert.rejects(sandbox.commands.run('echo partly; exit 42'), (error) => {
    assert.ok(error instanceof e2b.CommandExitError)
    assert.deepEqual([error.exitCode, error.stdout], [42, 'partly\n'])
    return true
  })
})

test('callbacks', async () => {
  let out = ''
  let err = ''
  await sandbox.commands.run('for i in 1 2 3; do echo $i; echo e$i >&2; done', {
    onStdout: (text) => { out += text },
    onStderr: (text) => { err += text },
  })
  assert.deepEqual([out, err], ['1\n2\n3\n', 'e1\ne2\ne3\n'])
})

test('environment, directory, user', async () => {
  const path = await directory(sandbox)
  const { stdout } = await sandbox.commands.run('echo $A; pwd; id -un', { envs: { A: 'x y' }, cwd: path, user: 'root' })
  assert.equal(stdout, `x y\n${path}\nroot\n`)
  await assert.rejects(sandbox.commands.run('true', { cwd: '/no/such/place' }), e2b.InvalidArgumentError)
  await assert.rejects(sandbox.commands.run('true', { user: 'nobody-here' }), e2b.AuthenticationError)
})

test('time limit', async () => {
  await assert.rejects(sandbox.commands.run('sleep 600', { timeoutMs: 500 }), e2b.TimeoutError)
  await until(async () => !(await sandbox.commands.list()).some((one) => one.args.includes('sleep 600')), 'the command ended')
})

test('background, list, connect, kill', async () => {
  const handle = await sandbox.commands.run('while [ ! -e /tmp/js-say ]; do sleep 0.01; done; echo said; sleep 601', {
    background: true,
  })
  assert.ok((await sandbox.commands.list()).some((one) => one.pid === handle.pid && one.cmd === '/bin/bash'))
  const second = await sandbox.commands.connect(handle.pid)
  await sandbox.files.write('/tmp/js-say', '')
  await until(() => handle.stdout === 'said\n' && second.stdout === 'said\n', 'both see the output')
  assert.equal(await handle.kill(), true)
  for (const one of [handle, second]) {
    await assert.rejects(one.wait(), (error) => error instanceof e2b.CommandExitError && error.error === 'signal: killed')
  }
  assert.equal(await sandbox.commands.kill(handle.pid), false)
  await assert.rejects(sandbox.commands.connect(999999), e2b.NotFoundError)
})

test('disconnect leaves it running', async () => {
  const handle = await sandbox.commands.run('sleep 602', { background: true })
  await handle.disconnect()
  assert.ok((await sandbox.commands.list()).some((one) => one.pid === handle.pid))
  assert.equal(await sandbox.commands.kill(handle.pid), true)
})

test('stdin', async () => {
  const handle = await sandbox.commands.run('cat', { background: true, stdin: true })
  await sandbox.commands.sendStdin(handle.pid, 'one\n')
  await sandbox.commands.sendStdin(handle.pid, 'zwei ü €\n')
  await handle.sendStdin(new Uint8Array([51, 10]))
  await sandbox.commands.closeStdin(handle.pid)
  assert.equal((await handle.wait()).stdout, 'one\nzwei ü €\n3\n')
})

test('no stdin unless asked for', async () => {
  await assert.rejects(sandbox.commands.run('read line'), (error) => error.exitCode === 1)
})

test('much output', async () => {
  const size = 8 * 1024 * 1024
  const { stdout } = await sandbox.commands.run(`head -c ${size} /dev/zero | tr '\\0' x`)
  assert.equal(stdout.length, size)
})

test('broken utf-8', async () => {
  assert.equal((await sandbox.commands.run("printf 'a\\xffb'")).stdout, 'a\ufffdb')
})

test('many at once', async () => {
  const results = await Promise.all(Array.from({ length: 30 }, (_, i) => sandbox.commands.run(`sleep 0.2; echo ${i}`)))
  assert.deepEqual(results.map((one) => one.stdout), Array.from({ length: 30 }, (_, i) => `${i}\n`))
})

test('killed during run', async () => {
  const one = await Sandbox.create({ timeoutMs: 60_000 })
  let begun = false
  const running = one.commands.run('echo begun; sleep 600', { onStdout: () => { begun = true } })
  const rejected = assert.rejects(running, (error) => {
    assert.ok(error instanceof e2b.TimeoutError, `${error}`)
    assert.match(error.message, /killed or reached its end of life/)
    return true
  })
  await until(() => begun, 'the command runs')
  await one.kill()
  await rejected
})

async function openTerminal(opts = {}) {
  let output = ''
  const decoder = new TextDecoder()
  const onData = (data) => { output += decoder.decode(data, { stream: true }) }
  const handle = await sandbox.pty.create({ cols: 100, rows: 30, onData, ...opts })
  return {
    handle,
    type: (text) => sandbox.pty.sendInput(handle.pid, new TextEncoder().encode(text)),
    wait: (text) => until(() => output.includes(text), `${text} on the terminal`),
  }
}

test('terminal', async () => {
  const terminal = await openTerminal({ envs: { MARK: 'seen' }, cwd: '/etc', user: 'root' })
  await terminal.type('echo $(id -un):$PWD:$MARK:$TERM:$(tput cols)x$(tput lines)\n')
  await terminal.wait('root:/etc:seen:xterm-256color:100x30')
  await sandbox.pty.resize(terminal.handle.pid, { cols: 77, rows: 11 })
  await terminal.type('echo size:$(tput cols)x$(tput lines)\n')
  await terminal.wait('size:77x11')
  assert.equal(await sandbox.pty.kill(terminal.handle.pid), true)
  await until(async () => !(await sandbox.pty.kill(terminal.handle.pid)), 'it is known to be gone')
})

test('terminal attached twice', async () => {
  const terminal = await openTerminal()
  let output = ''
  await sandbox.pty.connect(terminal.handle.pid, { onData: (data) => { output += new TextDecoder().decode(data) } })
  await terminal.type('echo both$((3))\n')
  await terminal.wait('both3')
  await until(() => output.includes('both3'), 'the second viewer sees it')
  await terminal.type('exit 7\n')
  await assert.rejects(terminal.handle.wait(), (error) => error.exitCode === 7)
})

test('git helper', async () => {
  const base = await directory(sandbox)
  await sandbox.git.init(`${base}/served.git`, { bare: true, initialBranch: 'main' })
  const daemon = await sandbox.commands.run(
    `git daemon --reuseaddr --export-all --enable=receive-pack --listen=127.0.0.1 --port=9419 --base-path=${base}`,
    { background: true, timeoutMs: 0 })
  await sandbox.commands.run('until (exec 3<>/dev/tcp/127.0.0.1/9419) 2>/dev/null; do sleep 0.05; done')
  const work = `${base}/work`
  await sandbox.git.init(work, { initialBranch: 'main' })
  await sandbox.files.write(`${work}/README`, 'text\n')
  assert.equal((await sandbox.git.status(work)).hasUntracked, true)
  await sandbox.git.add(work)
  await sandbox.git.commit(work, "it's a commit", { authorName: 'A', authorEmail: 'a@example.com' })
  await sandbox.git.remoteAdd(work, 'origin', 'git://127.0.0.1:9419/served.git')
  await sandbox.git.push(work, { remote: 'origin', branch: 'main' })
  await sandbox.git.clone('git://127.0.0.1:9419/served.git', { path: `${base}/copy` })
  assert.equal(await sandbox.files.read(`${base}/copy/README`), 'text\n')
  await sandbox.git.createBranch(work, 'topic')
  assert.deepEqual((await sandbox.git.branches(work)).currentBranch, 'topic')
  await assert.rejects(sandbox.git.pull(work), e2b.GitUpstreamError)
  await daemon.kill()
})

test('files of another sandbox are not there', async () => {
  await withSandbox({}, async (one) => {
    await one.files.write('/tmp/mine', 'x')
    assert.equal(await sandbox.files.exists('/tmp/mine'), false)
  })
})
