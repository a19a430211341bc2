/** Reports the environment and the native memory of this process. */
import { calling } from './errors.js'
import { native } from './native/load.js'

/** Native memory. */
export interface Memory {
  /** Bytes in use. */
  liveBytes: number
  /** The most bytes that were in use at the same time. */
  peakBytes: number
  /** Free bytes that are kept for reuse. */
  cachedBytes: number
  /** Allocations since the start. */
  allocations: number
}

/** Native memory of all threads of this process. */
export function memory(): Memory {
  return JSON.parse(calling(() => native().memory())) as Memory
}

/** Returns memory that is kept for reuse to the system. */
export function trimMemory(): void {
  calling(() => native().trimMemory())
}

/** The version, instruction sets, threads and memory of this process. */
export function doctor(): Record<string, unknown> {
  return JSON.parse(calling(() => native().doctor())) as Record<string, unknown>
}
