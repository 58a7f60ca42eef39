// Secrets with the JavaScript SDK.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'

import { e2b } from './support.mjs'

const { Secret } = e2b

test('life of a secret', async () => {
  const name = `js-${randomUUID()}`
  const made = await Secret.create(name, 'value', { metadata: { owner: 'js' } })
  try {
    assert.equal(made.name, name)
    assert.equal(made.version, 1)
    assert.deepEqual(made.metadata, { owner: 'js' })
    const changed = await Secret.update(name, 'another')
    assert.equal(changed.version, 2)
    assert.deepEqual(changed.metadata, { owner: 'js' })
    assert.deepEqual(await Secret.getInfo(made.secretId), changed)
    assert.ok(!JSON.stringify(changed).includes('another'))
    assert.equal(await Secret.exists(name), true)
    await assert.rejects(Secret.create(name, 'value'), /409/)
    await assert.rejects(Secret.create('no spaces', 'value'), /400.*Invalid secrets request/)
  } finally {
    assert.equal(await Secret.destroy(name), true)
  }
  assert.equal(await Secret.destroy(name), false)
  await assert.rejects(Secret.getInfo(name), (error) => error instanceof e2b.SecretNotFoundError)
})

test('pages of secrets', async () => {
  const names = Array.from({ length: 3 }, () => `js-${randomUUID()}`)
  for (const name of names) await Secret.create(name, 'value')
  const found = []
  const paginator = Secret.list({ limit: 2 })
  while (paginator.hasNext) found.push(...(await paginator.nextItems()).map((one) => one.name))
  for (const name of names) {
    assert.ok(found.includes(name))
    await Secret.destroy(name)
  }
  assert.equal(Secret.fill('api-token'), '${e2b.secrets.api-token}')
})
