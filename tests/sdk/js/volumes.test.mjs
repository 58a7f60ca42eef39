// Volumes with the JavaScript SDK.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, test } from 'node:test'

import { e2b, Sandbox, withSandbox } from './support.mjs'

const { Volume } = e2b

const volume = await Volume.create(`js-${randomUUID()}`)
after(() => Volume.destroy(volume.volumeId))

async function withVolume(body) {
  const made = await Volume.create(`js-${randomUUID()}`)
  try {
    return await body(made)
  } finally {
    await Volume.destroy(made.volumeId)
  }
}

async function collect(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

test('life of a volume', async () => {
  await withVolume(async (made) => {
    assert.ok((await Volume.list()).some((one) => one.volumeId === made.volumeId && one.name === made.name))
    assert.equal((await Volume.getInfo(made.volumeId)).name, made.name)
    const again = await Volume.connect(made.volumeId)
    await made.writeFile('/x', 'text')
    assert.equal(await again.readFile('/x'), 'text')
    await assert.rejects(Volume.create(made.name), /400.*already exists/)
    assert.equal(await Volume.destroy(made.volumeId), true)
    assert.equal(await Volume.destroy(made.volumeId), false)
    await assert.rejects(Volume.connect(made.volumeId), (error) => error instanceof e2b.VolumeNotFoundError)
  })
})

test('files in all formats', async () => {
  const bytes = new Uint8Array(300_000).map((_, i) => i % 251)
  const stat = await volume.writeFile('/formats', bytes.buffer)
  assert.equal(stat.size, bytes.length)
  assert.deepEqual(Buffer.from(await volume.readFile('/formats', { format: 'bytes' })), Buffer.from(bytes))
  assert.equal((await volume.readFile('/formats', { format: 'blob' })).size, bytes.length)
  assert.deepEqual(await collect(await volume.readFile('/formats', { format: 'stream' })), Buffer.from(bytes))
  await volume.writeFile('/streamed', new Blob([bytes]).stream())
  assert.deepEqual(Buffer.from(await volume.readFile('/streamed', { format: 'bytes' })), Buffer.from(bytes))
  await volume.writeFile('/text', 'grüße')
  assert.equal(await volume.readFile('/text'), 'grüße')
})

test('directories and metadata', async () => {
  assert.equal((await volume.makeDir('/a/b', { force: true, mode: 0o755 })).type, 'directory')
  await volume.writeFile('/a/b/file', 'x', { uid: 1000, gid: 1000, mode: 0o640 })
  const stat = await volume.getInfo('/a/b/file')
  assert.deepEqual([stat.uid, stat.gid, stat.mode & 0o7777], [1000, 1000, 0o640])
  assert.equal((await volume.updateMetadata('/a/b/file', { mode: 0o600 })).mode & 0o7777, 0o600)
  assert.deepEqual((await volume.list('/a', { depth: 2 })).map((one) => one.path).sort(), ['/a/b', '/a/b/file'])
  await volume.remove('/a')
  assert.equal(await volume.exists('/a'), false)
})

test('not found', async () => {
  const missing = (error) => error instanceof e2b.VolumePathNotFoundError
  for (const call of [() => volume.getInfo('/no'), () => volume.readFile('/no'), () => volume.list('/no'), () => volume.remove('/no')]) {
    await assert.rejects(call(), missing)
  }
})

test('sandboxes share a volume', async () => {
  await withVolume(async (made) => {
    await withSandbox({ volumeMounts: { '/mnt/shared': made } }, async (one) => {
      await withSandbox({ volumeMounts: { '/data': made.name } }, async (two) => {
        await one.commands.run('echo hello > /mnt/shared/file')
        assert.equal((await two.commands.run('cat /data/file')).stdout, 'hello\n')
        await assert.rejects(Volume.destroy(made.volumeId), /409/)
      })
    })
    assert.equal(await made.readFile('/file'), 'hello\n')
  })
})

test('a volume that does not exist is not mounted', async () => {
  await assert.rejects(Sandbox.create({ volumeMounts: { '/data': 'nobodys' } }), /400.*volume 'nobodys' not found/s)
})

test('another team does not have it', async () => {
  const apiKey = process.env.WARREN_OTHER_KEY
  await assert.rejects(Volume.getInfo(volume.volumeId, { apiKey }), (error) => error instanceof e2b.VolumeNotFoundError)
  assert.equal(await Volume.destroy(volume.volumeId, { apiKey }), false)
})
