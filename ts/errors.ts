/** The one error of limbeck, the closed list of its codes, and how errors of the native side become it. */
import { unknownKey } from './suggest.js'

/** What went wrong, from a closed list; every error of limbeck has one. */
export const errorCodes = [
  'ERR_LIMBECK_INVALID_CONFIG',
  'ERR_LIMBECK_INVALID_DATA',
  'ERR_LIMBECK_SHAPE_MISMATCH',
  'ERR_LIMBECK_NOT_FINITE',
  'ERR_LIMBECK_IO',
  'ERR_LIMBECK_INVALID_FILE',
  'ERR_LIMBECK_CHECKPOINT_WRITE',
  'ERR_LIMBECK_CHECKPOINT_VERSION',
  'ERR_LIMBECK_CHECKPOINT_MISMATCH',
  'ERR_LIMBECK_BACKEND',
  'ERR_LIMBECK_BUSY',
  'ERR_LIMBECK_DEADLINE',
  'ERR_LIMBECK_DISPOSED',
  'ERR_LIMBECK_CANCELLED',
  'ERR_LIMBECK_MEMORY',
  'ERR_LIMBECK_PROOF_FAILED',
  'ERR_LIMBECK_BINDING_NOT_FOUND',
  'ERR_LIMBECK_BINDING_VERSION',
  'ERR_LIMBECK_INTERNAL',
] as const

/** What went wrong, from a closed list; every error of limbeck has one. */
export type ErrorCode = (typeof errorCodes)[number]

/** The one error of limbeck. Its message reads `path: expected what, got what`. */
export class LimbeckError extends Error {
  override readonly name = 'LimbeckError'
  readonly code: ErrorCode
  /** Where: `losses.kl.temperature`, `labels[3]`, a file. Empty when there is no place to name. */
  readonly path: string
  /** Numbers and names of the message, where a program may want them. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    path: string,
    message: string,
    { cause, ...details }: { cause?: unknown; [detail: string]: unknown } = {},
  ) {
    path = shortened(path, 4500)
    message = shortened(message, 900)
    super(path === '' ? message : `${path}: ${message}`, cause === undefined ? undefined : { cause })
    this.code = code
    this.path = path
    this.details = details
  }
}

/** A text without its middle, where it repeats a value of any length. */
function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, 500)} … ${text.slice(-200)}`
}

/** The same error at another place, or with another code: `convNet.channels` becomes `student.convNet.channels`. */
export function elsewhere(error: LimbeckError, place: (path: string) => string, code = error.code): LimbeckError {
  const { path, message, details, cause } = error
  const bare = path === '' ? message : message.slice(path.length + 2)
  return new LimbeckError(code, place(path), bare, { ...details, cause })
}

/** The same error with a cause, where it has none of its own. */
export function causedBy(error: LimbeckError, cause: Error): LimbeckError {
  if (error.cause === undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true })
  return error
}

interface NativeText {
  code: ErrorCode
  path?: string
  message: string
  details?: string | null
}

/** The native side throws plain errors whose message is JSON; anything else it throws is a defect of ours. */
export function fromNative(error: unknown, place: (path: string) => string = path => path): LimbeckError {
  if (error instanceof LimbeckError) return error
  const text = error instanceof Error ? error.message : String(error)
  const { code, path = '', message, details } = parsed(text) ?? { code: 'ERR_LIMBECK_INTERNAL', message: text }
  const [, key, keys] = /^unknown key (\S+); the keys are (.+)$/.exec(message) ?? []
  const said = keys === undefined ? message : unknownKey(key!, keys.split(', '))
  return new LimbeckError(code, place(path), said, details == null ? {} : { text: details })
}

function parsed(text: string): NativeText | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    const read = JSON.parse(text) as NativeText
    return (errorCodes as readonly string[]).includes(read.code) ? read : undefined
  } catch {
    return undefined
  }
}

/** Calls the native side; `place` turns its paths into those of the caller's argument. */
export function calling<T>(work: () => T, place?: (path: string) => string): T {
  try {
    return work()
  } catch (error) {
    throw fromNative(error, place)
  }
}

/** The same for a promise. */
export async function awaiting<T>(work: () => Promise<T>, place?: (path: string) => string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromNative(error, place)
  }
}
