// What the files of this directory share: the newest package under test, and waiting.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { after } from 'node:test'

// The packages are not below this directory: WARREN_SDK_NODE says where npm put them.
const require = createRequire(`${process.env.WARREN_SDK_NODE}/package.json`)

export const e2b = require('e2b')
export const { WebSocket } = require('ws')
export const { Sandbox } = e2b

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// Polls until condition() gives something; a bound against hanging, not a measurement.
export async function until(condition, what, seconds = 60) {
  const end = Date.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    assert.ok(Date.now() < end, `after ${seconds} s still not: ${what}`)
    await sleep(20)
  }
}

// A sandbox that the tests of a file share.
export async function shared(opts = {}) {
  const sandbox = await Sandbox.create({ timeoutMs: 600_000, ...opts })
  after(() => sandbox.kill())
  return sandbox
}

// Runs body with a sandbox of its own.
export async function withSandbox(opts, body) {
  const sandbox = await Sandbox.create({ timeoutMs: 120_000, ...opts })
  try {
    return await body(sandbox)
  } finally {
    await sandbox.kill()
  }
}

let directories = 0
export async function directory(sandbox) {
  const path = `/home/user/js-${process.pid}-${++directories}`
  await sandbox.files.makeDir(path)
  return path
}

// Starts a program of tests/sdk/guest in the sandbox and waits until it listens.
export async function guest(sandbox, program, port) {
  const text = readFileSync(new URL(`../guest/${program}`, import.meta.url), 'utf8')
  await sandbox.files.write(`/tmp/${program}`, text)
  const handle = await sandbox.commands.run(`exec python3 /tmp/${program} 0.0.0.0 ${port}`, { background: true, timeoutMs: 0 })
  await sandbox.commands.run(`until ss -Htln sport = :${port} | grep -q LISTEN; do sleep 0.02; done`)
  return handle
}
