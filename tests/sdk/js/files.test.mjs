// Files, watches, signed URLs, and ports from outside.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'

import { WebSocket, directory, e2b, guest, shared, until, withSandbox } from './support.mjs'

const sandbox = await shared()

async function collect(stream) {
  const parts = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

test('text', async () => {
  const path = await directory(sandbox)
  const info = await sandbox.files.write(`${path}/a`, 'Grüße\n')
  assert.deepEqual(JSON.parse(JSON.stringify(info)), { name: 'a', type: 'file', path: `${path}/a` })
  assert.equal(await sandbox.files.read(`${path}/a`), 'Grüße\n')
})

test('every format of reading', async () => {
  const path = await directory(sandbox)
  const data = randomBytes(300_000)
  await sandbox.files.write(`${path}/b`, data.buffer.slice(data.byteOffset, data.byteOffset + data.length))
  assert.ok(data.equals(await sandbox.files.read(`${path}/b`, { format: 'bytes' })))
  const blob = await sandbox.files.read(`${path}/b`, { format: 'blob' })
  assert.ok(data.equals(Buffer.from(await blob.arrayBuffer())))
  assert.ok(data.equals(await collect(await sandbox.files.read(`${path}/b`, { format: 'stream' }))))
})

test('every format of writing', async () => {
  const path = await directory(sandbox)
  const data = randomBytes(500_000)
  const sources = {
    buffer: () => new Uint8Array(data).buffer,
    blob: () => new Blob([data]),
    stream: () => new Blob([data]).stream(),
  }
  for (const [name, source] of Object.entries(sources)) {
    for (const useOctetStream of [false, true]) {
      await sandbox.files.write(`${path}/${name}`, source(), { useOctetStream })
      assert.ok(data.equals(await sandbox.files.read(`${path}/${name}`, { format: 'bytes' })), `${name} ${useOctetStream}`)
    }
  }
})

test('empty files', async () => {
  const path = await directory(sandbox)
  await sandbox.files.write(`${path}/empty`, '')
  assert.equal(await sandbox.files.read(`${path}/empty`), '')
  assert.equal((await sandbox.files.read(`${path}/empty`, { format: 'bytes' })).length, 0)
  assert.equal((await collect(await sandbox.files.read(`${path}/empty`, { format: 'stream' }))).length, 0)
})

test('gzip', async () => {
  const path = await directory(sandbox)
  const text = 'compress me '.repeat(50_000)
  await sandbox.files.write(`${path}/z`, text, { gzip: true })
  assert.equal(await sandbox.files.read(`${path}/z`, { gzip: true }), text)
  assert.equal(await sandbox.files.read(`${path}/z`), text)
})

test('many files', async () => {
  const path = await directory(sandbox)
  const files = Array.from({ length: 12 }, (_, i) => ({ path: `${path}/${i}/file`, data: `content ${i}` }))
  const infos = await sandbox.files.write(files)
  assert.deepEqual(infos.map((one) => one.path), files.map((one) => one.path))
  for (const one of files) assert.equal(await sandbox.files.read(one.path), one.data)
  assert.deepEqual(await sandbox.files.write([]), [])
})

test('list, info, exists, rename, remove, makeDir', async () => {
  const path = await directory(sandbox)
  await sandbox.files.write(`${path}/d/e/f`, '12345')
  assert.deepEqual((await sandbox.files.list(path)).map((one) => one.name), ['d'])
  assert.deepEqual((await sandbox.files.list(path, { depth: 3 })).map((one) => one.path), [`${path}/d`, `${path}/d/e`, `${path}/d/e/f`])
  const info = await sandbox.files.getInfo(`${path}/d/e/f`)
  assert.deepEqual([info.name, info.type, info.size, info.mode, info.permissions, info.owner, info.group],
    ['f', e2b.FileType.FILE, 5, 0o644, '-rw-r--r--', 'user', 'user'])
  assert.ok(info.modifiedTime instanceof Date)
  assert.equal((await sandbox.files.rename(`${path}/d/e/f`, `${path}/g`)).path, `${path}/g`)
  assert.equal(await sandbox.files.exists(`${path}/d/e/f`), false)
  assert.equal(await sandbox.files.exists(`${path}/g`), true)
  await sandbox.files.remove(`${path}/g`)
  assert.equal(await sandbox.files.exists(`${path}/g`), false)
  await sandbox.files.remove(`${path}/g`)
  assert.equal(await sandbox.files.makeDir(`${path}/new/dir`), true)
  assert.equal(await sandbox.files.makeDir(`${path}/new/dir`), false)
})

test('errors of files', async () => {
  await assert.rejects(sandbox.files.read('/nothing'), e2b.FileNotFoundError)
  await assert.rejects(sandbox.files.getInfo('/nothing'), e2b.FileNotFoundError)
  await assert.rejects(sandbox.files.list('/nothing'), e2b.FileNotFoundError)
  await assert.rejects(sandbox.files.read('/etc'), e2b.InvalidArgumentError)
  await assert.rejects(sandbox.files.list('/etc/passwd'), e2b.InvalidArgumentError)
  await assert.rejects(sandbox.files.makeDir('/etc/passwd'), e2b.InvalidArgumentError)
  await assert.rejects(sandbox.files.write('/etc', 'x'), e2b.InvalidArgumentError)
  await assert.rejects(sandbox.files.rename('/nothing', '/anything'), e2b.FileNotFoundError)
})

test('metadata', async () => {
  const path = await directory(sandbox)
  const info = await sandbox.files.write(`${path}/m`, 'x', { metadata: { Author: 'someone' } })
  assert.deepEqual(info.metadata, { author: 'someone' })
  assert.deepEqual((await sandbox.files.getInfo(`${path}/m`)).metadata, { author: 'someone' })
})

async function watching(path, opts, body) {
  const events = []
  const handle = await sandbox.files.watchDir(path, (event) => events.push(event), opts)
  await body(events, (name, type) => until(() => events.some((one) => one.name === name && one.type === type), `${type} ${name}`))
  await handle.stop()
}

test('watch', async () => {
  const path = await directory(sandbox)
  await watching(path, {}, async (events, seen) => {
    await sandbox.files.write(`${path}/f`, 'x')
    await seen('f', 'write')
    assert.deepEqual(events.map((one) => one.type), ['create', 'chmod', 'write'])
    await sandbox.files.rename(`${path}/f`, `${path}/g`)
    await seen('f', 'rename')
    await sandbox.files.remove(`${path}/g`)
    await seen('g', 'remove')
  })
})

test('watch below, with entries', async () => {
  const path = await directory(sandbox)
  await watching(path, { recursive: true, includeEntry: true }, async (events, seen) => {
    await sandbox.files.makeDir(`${path}/sub`)
    await sandbox.files.write(`${path}/sub/f`, '123')
    await seen('sub/f', 'write')
    const written = events.find((one) => one.name === 'sub/f' && one.type === 'write')
    assert.equal(written.entry.path, `${path}/sub/f`)
    assert.equal(written.entry.size, 3)
  })
  await assert.rejects(sandbox.files.watchDir('/nothing', () => {}), e2b.NotFoundError)
})

test('signed URLs', async () => {
  const path = await directory(sandbox)
  const up = await sandbox.uploadUrl(`${path}/up`, { useSignatureExpiration: 60 })
  const form = new FormData()
  form.append('file', 'from a form')
  assert.equal((await fetch(up, { method: 'POST', body: form })).status, 200)
  const down = await sandbox.downloadUrl(`${path}/up`, { useSignatureExpiration: 60, user: 'root' })
  assert.equal(await (await fetch(down)).text(), 'from a form')
  assert.equal((await fetch(down.replace('signature=v1_', 'signature=v1_x'))).status, 401)
  const late = await fetch(await sandbox.downloadUrl(`${path}/up`, { useSignatureExpiration: -120 }))
  assert.deepEqual([late.status, (await late.json()).message], [401, 'signature is already expired'])
})

test('http server inside', async () => {
  const handle = await guest(sandbox, 'http_echo.py', 8000)
  const url = `https://${sandbox.getHost(8000)}/path?q=1`
  const answer = await (await fetch(url, { method: 'POST', body: 'text' })).json()
  assert.deepEqual([answer.method, answer.path, answer.body], ['POST', '/path?q=1', 'text'])
  await handle.kill()
  const closed = await until(async () => {
    const response = await fetch(url)
    return response.status === 502 && response.json()
  }, 'the port is closed')
  assert.deepEqual([closed.port, closed.message], [8000, 'The sandbox is running but port is not open'])
})

test('websocket server inside', async () => {
  const handle = await guest(sandbox, 'ws_echo.py', 8100)
  const socket = new WebSocket(`wss://${sandbox.getHost(8100)}/`)
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  socket.send('hello')
  const message = await new Promise((resolve) => socket.once('message', (data) => resolve(data.toString())))
  assert.equal(message, `${sandbox.getHost(8100)} hello`)
  socket.close()
  await handle.kill()
})

test('private ports', async () => {
  await withSandbox({ network: { allowPublicTraffic: false } }, async (one) => {
    await guest(one, 'http_echo.py', 8000)
    const url = `https://${one.getHost(8000)}`
    assert.equal((await fetch(url)).status, 403)
    const answer = await fetch(url, { headers: { 'e2b-traffic-access-token': one.trafficAccessToken } })
    assert.equal(answer.status, 200)
  })
})
