import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { orAbort, withAbort } from '../ts/abort.js'
import { LimbeckError } from '../ts/errors.js'

const cancelled = () => new LimbeckError('ERR_LIMBECK_CANCELLED', '', 'the run was cancelled')

/** Work that ends when it is cancelled. */
function work() {
  let reject: (error: unknown) => void = () => {}
  let begun = 0
  return {
    cancel: () => reject(cancelled()),
    start: () => (begun++, new Promise<string>((_, no) => (reject = no))),
    get begun() {
      return begun
    },
  }
}

test('aborted work rejects with the signal’s reason, of any type', async () => {
  for (const reason of [new Error('mine'), 'text', 0, null]) {
    const stop = new AbortController()
    const { cancel, start } = work()
    const ended = withAbort(stop.signal, cancel, start)
    stop.abort(reason)
    await expect(ended).rejects.toBe(reason)
  }
})

test('many waiting calls share one listener, and each is cancelled once', async () => {
  const stop = new AbortController()
  const jobs = Array.from({ length: 50 }, work)
  const ends = jobs.map(({ cancel, start }) => withAbort(stop.signal, cancel, start).catch(error => error as unknown))
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(1)
  stop.abort('over')
  expect(new Set(await Promise.all(ends))).toEqual(new Set(['over']))
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
})

test('a signal can be used many times and keeps no listener', async () => {
  const { signal } = new AbortController()
  for (let turn = 0; turn < 100; turn++) expect(await withAbort(signal, () => {}, async () => turn)).toBe(turn)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('an error of the work itself is not replaced if the signal aborts afterwards', async () => {
  const stop = new AbortController()
  const broken = new Error('broken')
  await expect(withAbort(stop.signal, () => {}, async () => { stop.abort('late'); throw broken })).rejects.toBe(broken)
  await expect(withAbort(undefined, () => {}, async () => { throw cancelled() })).rejects.toMatchObject({ code: 'ERR_LIMBECK_CANCELLED' })
})

test('with an aborted signal no work is started', async () => {
  const job = work()
  const signal = AbortSignal.abort('before')
  await expect(withAbort(signal, job.cancel, job.start)).rejects.toBe('before')
  await expect(orAbort(signal, job.start)).rejects.toBe('before')
  expect(job.begun).toBe(0)
})

test('an abort does not wait for work that cannot be cancelled', async () => {
  const stop = new AbortController()
  const ended = orAbort(stop.signal, () => new Promise(() => {}))
  stop.abort('enough')
  await expect(ended).rejects.toBe('enough')
  expect(getEventListeners(stop.signal, 'abort')).toHaveLength(0)
})
