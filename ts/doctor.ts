/** What limbeck runs on here, and the native memory it holds. */
import { calling } from './errors.js'
import { native } from './native/load.js'

/** Native memory: bytes in use, at their peak, and kept for reuse; blocks asked for since the start. */
export interface Memory {
  liveBytes: number
  peakBytes: number
  cachedBytes: number
  allocations: number
}

/** Native memory of this process, all threads together. */
export function memory(): Memory {
  return JSON.parse(calling(() => native().memory())) as Memory
}

/** Gives memory that is kept for reuse back to the system. */
export function trimMemory(): void {
  calling(() => native().trimMemory())
}

/** Version, instruction sets, threads and memory, as this process has them. */
export function doctor(): Record<string, unknown> {
  return JSON.parse(calling(() => native().doctor())) as Record<string, unknown>
}
