// Reporter for node --test: one line of JSON per test, for test_js.py.

export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    if (data.details?.type === 'suite') continue
    const error = data.details?.error
    const cause = error?.cause ?? error
    yield JSON.stringify({
      name: data.name,
      ok: type === 'test:pass',
      skipped: data.skip !== undefined || data.todo !== undefined,
      error: error ? `${cause?.stack ?? cause}` : null,
    }) + '\n'
  }
}
