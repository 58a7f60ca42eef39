// The code interpreter through its official JavaScript SDK.

import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import test, { after } from 'node:test'

import { until } from './support.mjs'

const require = createRequire(`${process.env.WARREN_SDK_NODE}/package.json`)
const { Sandbox } = require('@e2b/code-interpreter')

const made = []
after(() => Promise.all(made.map((one) => one.kill())))

async function create(opts = {}) {
  const sandbox = await Sandbox.create({ timeoutMs: 600_000, ...opts })
  made.push(sandbox)
  return sandbox
}

const sandbox = await create()

// The execution, when it did not fail.
async function run(code, opts = {}, on = sandbox) {
  const execution = await on.runCode(code, opts)
  assert.equal(execution.error, undefined, execution.error?.traceback)
  return execution
}

test('value and state', async () => {
  assert.equal((await run('x = 1; x')).text, '1')
  assert.equal((await run('x + 1')).text, '2')
})

test('execution count', async () => {
  const fresh = await create()
  await fresh.runCode('this is no Python')
  assert.equal((await fresh.runCode('!pwd')).executionCount, 2)
})

test('callbacks', async () => {
  const seen = { out: [], err: [], results: [], errors: [] }
  const opts = {
    onStdout: (message) => seen.out.push(message.line),
    onStderr: (message) => seen.err.push(message.line),
    onResult: (result) => seen.results.push(result.text),
    onError: (error) => seen.errors.push(error.name),
  }
  await run("import sys\nprint('hello')\nprint('oh', file=sys.stderr)\n1", opts)
  await sandbox.runCode('undefined_name', opts)
  assert.deepEqual(seen, { out: ['hello\n'], err: ['oh\n'], results: ['1'], errors: ['NameError'] })
})

test('output comes while the cell runs', async () => {
  // The cell goes on when what it has printed was seen.
  const seen = []
  const code = "import os, time\nfor i in range(4):\n    print(i)\n    while not os.path.exists(f'/tmp/js-seen-{i}'): time.sleep(0.01)"
  const running = run(code, { onStdout: (message) => seen.push(message.line) })
  for (let i = 0; i < 4; i++) {
    await until(() => seen.length > i, `line ${i}`, 60)
    await sandbox.files.write(`/tmp/js-seen-${i}`, '')
  }
  await running
  assert.deepEqual(seen, ['0\n', '1\n', '2\n', '3\n'])
})

test('unicode in pieces', async () => {
  const text = 'grüße 東京 🦊 \u2028 \u0085 end'
  const execution = await run(`for _ in range(2000): print(${JSON.stringify(text)})`)
  assert.equal(execution.logs.stdout.join(''), `${text}\n`.repeat(2000))
})

test('much output', async () => {
  let length = 0
  await run("line = 'x' * 999\nfor _ in range(20000): print(line)", { timeoutMs: 120_000, onStdout: (message) => { length += message.line.length } })
  assert.equal(length, 20_000_000)
})

test('data frame', async () => {
  const { results } = await run('import pandas as pd\npd.DataFrame({"a": [1, 2, 3]})')
  assert.deepEqual(results[0].data, { a: [1, 2, 3] })
  assert.ok(results[0].html.includes('<table'))
})

test('formats', async () => {
  const code = "display({'text/html': '<b>x</b>', 'image/svg+xml': '<svg/>', 'text/markdown': '*x*', 'text/latex': '$x$', " +
    "'application/json': {'a': None}, 'application/javascript': '1', 'application/pdf': 'JVBE'}, raw=True)"
  const { results: [result] } = await run(code)
  assert.deepEqual([result.html, result.svg, result.markdown, result.latex, result.json, result.javascript, result.pdf],
    ['<b>x</b>', '<svg/>', '*x*', '$x$', { a: null }, '1', 'JVBE'])
})

const PLOTS = {
  line: 'plt.plot(range(100))',
  scatter: 'plt.scatter([1, 2], [3, 4])',
  bar: "plt.bar(['a', 'b'], [1, 2])",
  pie: "plt.pie([90, 10], labels=['No', 'Yes'])",
  box_and_whisker: "plt.boxplot([[85, 90, 78, 92, 88], [95, 89, 76, 91, 84]], labels=['A', 'B'], patch_artist=True)",
  superchart: 'f, (a, b) = plt.subplots(1, 2); a.plot([1, 2]); b.scatter([1], [2])',
  unknown: 'plt.imshow([[1, 2], [3, 4]]); plt.plot([0, 1]); plt.scatter([0], [1])',
}

test('charts', async () => {
  for (const [type, code] of Object.entries(PLOTS)) {
    const { results } = await run(`import matplotlib.pyplot as plt\n${code}\nplt.show()`)
    assert.equal(results.length, 1, type)
    assert.equal(Buffer.from(results[0].png, 'base64').subarray(1, 4).toString(), 'PNG', type)
    assert.equal(results[0].chart.type, type)
  }
})

test('languages', async () => {
  const where = {
    python: 'import os; print(os.getcwd())', javascript: 'console.log(process.cwd())',
    typescript: 'const s: string = process.cwd(); console.log(s)', bash: 'pwd',
  }
  for (const [language, code] of Object.entries(where)) {
    assert.deepEqual((await run(code, { language })).logs.stdout, ['/home/user\n'], language)
  }
  assert.equal((await run('await Promise.resolve("Hello World!")', { language: 'js' })).text, 'Hello World!')
  await assert.rejects(sandbox.runCode('1', { language: 'cobol' }))
})

test('environment', async () => {
  const own = await create({ envs: { FOO: 'sandbox' } })
  for (const [language, code] of Object.entries({
    python: "import os; print(os.environ.get('FOO'))", javascript: 'console.log(process.env.FOO)', bash: 'echo $FOO',
  })) {
    const line = async (opts) => (await run(code, { language, ...opts }, own)).logs.stdout.join('')
    assert.equal(await line({}), 'sandbox\n')
    assert.equal(await line({ envs: { FOO: 'call "\' $x' } }), 'call "\' $x\n')
    assert.equal(await line({}), 'sandbox\n')
  }
})

test('contexts', async () => {
  const context = await sandbox.createCodeContext({ cwd: '/tmp', language: 'python' })
  assert.deepEqual([context.language, context.cwd], ['python', '/tmp'])
  const listed = await sandbox.listCodeContexts()
  assert.equal(listed.at(-1).id, context.id)
  assert.deepEqual(listed.slice(0, 2).map((one) => one.language), ['python', 'javascript'])
  await run('mine = 1', { context })
  assert.equal((await sandbox.runCode('mine')).error.name, 'NameError')
  await sandbox.restartCodeContext(context)
  assert.equal((await sandbox.runCode('mine', { context })).error.name, 'NameError')
  await sandbox.removeCodeContext(context)
  assert.ok(!(await sandbox.listCodeContexts()).some((one) => one.id === context.id))
  await assert.rejects(sandbox.runCode('1', { context }))
})

test('code that is no string', async () => {
  await assert.rejects(sandbox.runCode({ context: 1, language: 'python' }))
})

test('timeout interrupts', async () => {
  await run('kept = 6; import time')
  await assert.rejects(sandbox.runCode('time.sleep(300)', { timeoutMs: 1500 }))
  assert.equal((await run('kept', { timeoutMs: 60_000 })).text, '6')
})

test('death', async () => {
  const execution = await sandbox.runCode('import os; os._exit(1)')
  assert.equal(execution.error.name, 'ContextRestarting')
  assert.equal((await run('1 + 1')).text, '2')
})

test('kill while a cell runs', async () => {
  const own = await create()
  await run('import time', {}, own)
  let begun = false
  const running = own.runCode("print('begun')\ntime.sleep(300)", { timeoutMs: 60_000, onStdout: () => { begun = true } })
  const rejected = assert.rejects(running, /killed while the request was in progress/)
  await until(() => begun, 'the cell runs')
  await own.kill()
  await rejected
})

test('parallel contexts', async () => {
  const contexts = await Promise.all(Array.from({ length: 8 }, () => sandbox.createCodeContext()))
  const code = (i) => `import os, time\nopen('/tmp/js-meet-${i}', 'w').close()\n` +
    "while sum(n.startswith('js-meet-') for n in os.listdir('/tmp')) < 8: time.sleep(0.01)\n" + i
  const executions = await Promise.all(contexts.map((context, i) => run(code(i), { context, timeoutMs: 60_000 })))
  assert.deepEqual(executions.map((one) => one.text), contexts.map((_, i) => String(i)))
})

test('private traffic', async () => {
  const own = await create({ network: { allowPublicTraffic: false } })
  const context = await own.createCodeContext()
  assert.equal((await run('1', { context }, own)).text, '1')
  await until(async () => (await own.listCodeContexts()).length >= 3, 'three contexts')
})
