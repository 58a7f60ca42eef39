// Pause, resume, snapshots and forks.

import assert from 'node:assert/strict'
import test from 'node:test'

import { Sandbox, e2b, until, withSandbox } from './support.mjs'

const bootId = '/proc/sys/kernel/random/boot_id'
const options = { timeoutMs: 120_000 }

async function counting(sandbox) {
  await sandbox.commands.run('i=0; while :; do i=$((i + 1)); echo $i > /tmp/new; mv /tmp/new /tmp/count; sleep 0.02; done', { background: true, timeoutMs: 0 })
  await until(async () => (await sandbox.commands.run('cat /tmp/count 2>/dev/null || true')).stdout, 'it counts')
}

// The file is empty for a moment before each number.
const count = async (sandbox) => Number(await until(async () => (await sandbox.commands.run('cat /tmp/count')).stdout, 'a number'))

async function countsOn(sandbox) {
  const before = await count(sandbox)
  assert.ok(before > 0)
  await until(async () => (await count(sandbox)) > before, 'it counts on')
}

test('pause and connect', async () => {
  await withSandbox(options, async (sandbox) => {
    await counting(sandbox)
    const boot = await sandbox.files.read(bootId)
    assert.equal(await sandbox.pause(), true)
    assert.equal(await sandbox.pause(), false)
    assert.equal(await sandbox.isRunning(), false)
    assert.equal((await sandbox.getInfo()).state, 'paused')
    const again = await Sandbox.connect(sandbox.sandboxId, options)
    assert.equal((await again.getInfo()).state, 'running')
    assert.equal(await again.files.read(bootId), boot)
    await countsOn(again)
    await countsOn(sandbox)
  })
})

test('pause without memory', async () => {
  await withSandbox(options, async (sandbox) => {
    const boot = await sandbox.files.read(bootId)
    await sandbox.files.write('note', 'kept')
    assert.equal(await sandbox.pause({ keepMemory: false }), true)
    await sandbox.connect(options)
    assert.notEqual(await sandbox.files.read(bootId), boot)
    assert.equal(await sandbox.files.read('note'), 'kept')
  })
})

test('pause of nothing', async () => {
  await assert.rejects(Sandbox.pause('nonexistingsandbox00'), e2b.SandboxNotFoundError)
})

test('pause at the timeout and requests that wake', async () => {
  await withSandbox({ ...options, lifecycle: { onTimeout: 'pause', autoResume: true } }, async (sandbox) => {
    await sandbox.files.write('note', 'kept')
    await sandbox.setTimeout(1000)
    await until(async () => (await sandbox.getInfo()).state === 'paused', 'it is paused')
    assert.equal(await sandbox.files.read('note'), 'kept')
    assert.equal((await sandbox.getInfo()).state, 'running')
  })
})

test('snapshots', async () => {
  await withSandbox(options, async (sandbox) => {
    await counting(sandbox)
    await sandbox.files.write('note', 'before')
    const snapshot = await sandbox.createSnapshot()
    await sandbox.files.write('note', 'after')
    const copy = await Sandbox.create(snapshot.snapshotId, options)
    try {
      assert.equal(await copy.files.read('note'), 'before')
      await countsOn(copy)
    } finally {
      await copy.kill()
    }
    const found = []
    const pages = sandbox.listSnapshots()
    while (pages.hasNext) found.push(...(await pages.nextItems()))
    assert.deepEqual(found.map((one) => one.snapshotId), [snapshot.snapshotId])
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), true)
    assert.equal(await Sandbox.deleteSnapshot(snapshot.snapshotId), false)
  })
})

test('forks', async () => {
  await withSandbox(options, async (sandbox) => {
    await counting(sandbox)
    const forks = await sandbox.fork({ count: 2, ...options })
    try {
      assert.equal(new Set([sandbox, ...forks].map((one) => one.sandboxId)).size, 3)
      for (const one of forks) await countsOn(one)
    } finally {
      for (const one of forks) if (!(one instanceof Error)) await one.kill()
    }
    await assert.rejects(sandbox.fork({ count: 0 }))
    await countsOn(sandbox)
  })
})
