// Sandboxes from making to end.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'

import { Sandbox, e2b, shared, until, withSandbox } from './support.mjs'

const sandbox = await shared()
const otherKey = process.env.WARREN_OTHER_KEY

async function allPages(paginator) {
  const found = []
  while (paginator.hasNext) found.push(...(await paginator.nextItems()))
  return found
}

test('create and info', async () => {
  const metadata = { mark: randomUUID(), empty: '' }
  await withSandbox({ metadata, timeoutMs: 100_000 }, async (one) => {
    const info = await one.getInfo()
    assert.equal(info.sandboxId, one.sandboxId)
    assert.equal(info.name, 'base')
    assert.deepEqual(info.metadata, metadata)
    assert.equal(info.state, 'running')
    assert.equal(info.envdVersion, '0.6.13')
    assert.ok(Math.abs(info.endAt - info.startedAt - 100_000) < 10_000)
    assert.equal(await one.isRunning(), true)
  })
})

test('unknown template', async () => {
  await assert.rejects(Sandbox.create('no-such-template'), (error) => {
    assert.ok(error instanceof e2b.SandboxError)
    assert.match(error.message, /404.*no-such-template/)
    return true
  })
})

test('kill', async () => {
  const one = await Sandbox.create({ timeoutMs: 60_000 })
  assert.equal(await one.kill(), true)
  assert.equal(await Sandbox.kill(one.sandboxId), false)
  assert.equal(await one.isRunning(), false)
  await assert.rejects(one.getInfo(), e2b.SandboxNotFoundError)
  await assert.rejects(one.setTimeout(1000), e2b.SandboxNotFoundError)
  await assert.rejects(Sandbox.connect(one.sandboxId), e2b.SandboxNotFoundError)
  await assert.rejects(one.commands.run('true'), e2b.SandboxNotFoundError)
  await assert.rejects(one.files.read('/etc/hosts'), e2b.TimeoutError)
})

test('end at the timeout', async () => {
  const one = await Sandbox.create({ timeoutMs: 1000 })
  await until(async () => !(await one.isRunning()), 'the sandbox ended')
})

test('setTimeout shortens and lengthens', async () => {
  await withSandbox({ timeoutMs: 100_000 }, async (one) => {
    const before = (await one.getInfo()).endAt
    await one.setTimeout(400_000)
    assert.ok((await one.getInfo()).endAt - before > 290_000)
    await one.setTimeout(50_000)
    assert.ok((await one.getInfo()).endAt < before)
  })
})

test('connect', async () => {
  await sandbox.files.write('note', 'seen by both')
  const second = await Sandbox.connect(sandbox.sandboxId)
  assert.equal(await second.files.read('note'), 'seen by both')
  await assert.rejects(Sandbox.connect('nonexistingsandbox'), e2b.SandboxNotFoundError)
})

test('list with metadata of special characters', async () => {
  const metadata = { mark: randomUUID(), 'a key': 'Zoë & co = 100%' }
  await withSandbox({ metadata }, async (one) => {
    const found = await allPages(Sandbox.list({ query: { metadata } }))
    assert.deepEqual(found.map((item) => item.sandboxId), [one.sandboxId])
    assert.deepEqual(found[0].metadata, metadata)
    assert.deepEqual(await allPages(Sandbox.list({ query: { metadata, state: ['paused'] } })), [])
  })
})

test('list page by page', async () => {
  const metadata = { mark: randomUUID() }
  const made = []
  for (let i = 0; i < 3; i++) made.push(await Sandbox.create({ metadata, timeoutMs: 60_000 }))
  const paginator = Sandbox.list({ query: { metadata }, limit: 2 })
  const sizes = []
  const ids = []
  while (paginator.hasNext) {
    const page = await paginator.nextItems()
    sizes.push(page.length)
    ids.push(...page.map((item) => item.sandboxId))
  }
  assert.deepEqual(sizes, [2, 1])
  assert.deepEqual(ids, made.map((one) => one.sandboxId).reverse())
  await Promise.all(made.map((one) => one.kill()))
})

test('wrong keys', async () => {
  for (const apiKey of ['e2b_' + '0'.repeat(40), 'e2b_123']) {
    await assert.rejects(Sandbox.create({ apiKey }), e2b.AuthenticationError)
  }
})

test('teams do not see each other', async () => {
  const foreign = { apiKey: otherKey }
  assert.equal(await Sandbox.kill(sandbox.sandboxId, foreign), false)
  await assert.rejects(Sandbox.getInfo(sandbox.sandboxId, foreign), e2b.SandboxNotFoundError)
  await assert.rejects(Sandbox.connect(sandbox.sandboxId, foreign), e2b.SandboxNotFoundError)
  await assert.rejects(Sandbox.setTimeout(sandbox.sandboxId, 1000, foreign), e2b.SandboxNotFoundError)
  const seen = await allPages(Sandbox.list(foreign))
  assert.ok(!seen.some((item) => item.sandboxId === sandbox.sandboxId))
  assert.equal(await sandbox.isRunning(), true)
})

test('environment of the sandbox', async () => {
  await withSandbox({ envs: { COLOUR: 'blue' } }, async (one) => {
    const { stdout } = await one.commands.run('echo $COLOUR $E2B_SANDBOX $E2B_SANDBOX_ID')
    assert.equal(stdout, `blue true ${one.sandboxId}\n`)
  })
})

test('building templates says that it does not exist yet', async () => {
  await assert.rejects(e2b.Template.build(e2b.Template().fromImage('debian:stable'), 'name'), /501.*not available yet/)
})

test('template exists', async () => {
  assert.equal(await e2b.Template.exists('base'), true)
  assert.equal(await e2b.Template.exists('no-such-template'), false)
})

test('mcp without a gateway leaves nothing', async () => {
  const metadata = { mark: randomUUID() }
  await assert.rejects(Sandbox.create('base', { mcp: { duckduckgo: {} }, metadata }), /Failed to start MCP gateway/)
  assert.deepEqual(await allPages(Sandbox.list({ query: { metadata } })), [])
})

test('metrics', async () => {
  await sandbox.commands.run('timeout 20 sh -c "while :; do :; done" >/dev/null 2>&1 &')
  const samples = await until(async () => {
    const found = await sandbox.getMetrics()
    return found.some((one) => one.cpuUsedPct > 0) && found
  }, 'a sample with a used processor', 60)
  const last = samples.at(-1)
  assert.ok(last.cpuCount >= 1 && last.memUsed > 0 && last.memUsed <= last.memTotal && last.diskUsed > 0)
  assert.ok(last.timestamp instanceof Date)
})

test('network settings', async () => {
  await assert.rejects(Sandbox.create({ network: { allowOut: ['example.com'] } }), /400.*ALL_TRAFFIC/)
  const network = { denyOut: ({ allTraffic }) => [allTraffic], allowOut: ['1.1.1.1'] }
  await withSandbox({ network, allowInternetAccess: false }, async (one) => {
    const info = await one.getInfo()
    assert.equal(info.allowInternetAccess, false)
    assert.deepEqual(info.network.denyOut, ['0.0.0.0/0'])
    await one.updateNetwork({ allowOut: ['8.8.8.8'] })
    assert.deepEqual((await one.getInfo()).network.allowOut, ['8.8.8.8'])
  })
})

test('many at once', async () => {
  const made = await Promise.all(Array.from({ length: 10 }, () => Sandbox.create({ timeoutMs: 60_000 })))
  assert.equal(new Set(made.map((one) => one.sandboxId)).size, 10)
  const outputs = await Promise.all(made.map((one, i) => one.commands.run(`echo ${i}`)))
  assert.deepEqual(outputs.map((one) => one.stdout), made.map((_, i) => `${i}\n`))
  await Promise.all(made.map((one) => one.kill()))
})
