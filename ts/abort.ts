/** Connects an `AbortSignal` with native work. The signal has one listener while work is awaited, and none before or after. */
import { LimbeckError } from './errors.js'

/** The calls to make for each signal. A signal has one listener, however many calls wait. */
const waiting = new WeakMap<AbortSignal, { calls: Set<() => void>; listener: () => void }>()

/** Calls `call` when `signal` aborts; the returned function cancels this. */
export function listen(signal: AbortSignal, call: () => void): () => void {
  let entry = waiting.get(signal)
  if (entry === undefined) {
    const calls = new Set<() => void>()
    entry = { calls, listener: () => [...calls].forEach(call => call()) }
    waiting.set(signal, entry)
    signal.addEventListener('abort', entry.listener, { once: true })
  }
  const { calls, listener } = entry
  calls.add(call)
  return () => {
    calls.delete(call)
    if (calls.size > 0 || waiting.get(signal)?.calls !== calls) return
    waiting.delete(signal)
    signal.removeEventListener('abort', listener)
  }
}

/**
 * Awaits `work`; when `signal` aborts meanwhile, calls `cancel` and rejects with `signal.reason`.
 * If the signal has already aborted, `work` is not called.
 */
export async function withAbort<T>(signal: AbortSignal | undefined, cancel: () => void, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  const ignore = signal && listen(signal, () => cancel())
  try {
    return await work()
  } catch (error) {
    const cancelled = error instanceof LimbeckError && error.code === 'ERR_LIMBECK_CANCELLED'
    throw cancelled && signal?.aborted ? signal.reason : error
  } finally {
    ignore?.()
  }
}

/** Awaits work that cannot be cancelled; an abort rejects at once. */
export async function orAbort<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  if (signal === undefined) return work()
  signal.throwIfAborted()
  let ignore: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => (ignore = listen(signal, () => reject(signal.reason as Error))))
  try {
    return await Promise.race([work(), aborted])
  } finally {
    ignore?.()
  }
}
