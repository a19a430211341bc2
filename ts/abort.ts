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
