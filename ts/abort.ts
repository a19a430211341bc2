/** How an `AbortSignal` reaches native work: one listener while the work is awaited, none before and none after. */
import { LimbeckError } from './errors.js'

/**
 * Awaits `work`; when `signal` aborts meanwhile, calls `cancel` and rejects with `signal.reason`.
 * A signal that has aborted already means that `work` is never called.
 */
export async function withAbort<T>(signal: AbortSignal | undefined, cancel: () => void, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  signal?.addEventListener('abort', cancel, { once: true })
  try {
    return await work()
  } catch (error) {
    const cancelled = error instanceof LimbeckError && error.code === 'ERR_LIMBECK_CANCELLED'
    throw cancelled && signal?.aborted ? signal.reason : error
  } finally {
    signal?.removeEventListener('abort', cancel)
  }
}

/** Awaits what cannot be cancelled; an abort does not wait for it. */
export async function orAbort<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
  signal?.throwIfAborted()
  if (signal === undefined) return work()
  let stop: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
    signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work(), aborted])
  } finally {
    signal.removeEventListener('abort', stop!)
  }
}
