/** The error class of limbeck, the closed list of its codes, and the conversion of native errors. */
import { suggest, unknownKey } from './suggest.js'

/** All error codes. The list is closed, and every `LimbeckError` has one of them. */
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

/** One of `errorCodes`. */
export type ErrorCode = (typeof errorCodes)[number]

/** The error class of limbeck. Its message has the form `path: expected …, got …`. */
export class LimbeckError extends Error {
  override readonly name = 'LimbeckError'
  readonly code: ErrorCode
  /** The option, value or file that caused the error: `losses.kl.temperature`, `labels[3]`. Empty if there is none. */
  readonly path: string
  /** The numbers and names in the message, for programs. */
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

/** Removes the middle of a text that is longer than `most` characters: it may quote a value of any length. */
function shortened(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, 500)} … ${text.slice(-200)}`
}

/** The same error with another path or code: `convNet.channels` becomes `student.convNet.channels`. */
export function elsewhere(error: LimbeckError, place: (path: string) => string, code = error.code): LimbeckError {
  const { path, message, details, cause } = error
  const bare = path === '' ? message : message.slice(path.length + 2)
  return new LimbeckError(code, place(path), bare, { ...details, cause })
}

/** Sets the cause of an error that has none; returns the error. */
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

/** Converts an error of the native side, whose message is JSON. Any other error is a defect of limbeck: `ERR_LIMBECK_INTERNAL`. */
export function fromNative(error: unknown, place: (path: string) => string = path => path): LimbeckError {
  if (error instanceof LimbeckError) return error
  const text = error instanceof Error ? error.message : String(error)
  const { code, path = '', message, details } = parsed(text) ?? { code: 'ERR_LIMBECK_INTERNAL', message: text }
  const [, key, keys] = /^unknown key (\S+); the keys are (.+)$/.exec(message) ?? []
  const said = keys === undefined ? withSuggestion(message) : unknownKey(key!, keys.split(', '))
  return new LimbeckError(code, place(path), said, details == null ? {} : { text: details })
}

/** Adds the most similar name to a message about a name that is none of several. */
function withSuggestion(message: string): string {
  const [, names, name] = /^expected one of (.+), got (\w+)$/.exec(message) ?? []
  const suggestion = names === undefined ? undefined : suggest(name!, names.split(', '))
  return suggestion === undefined ? message : `${message}; did you mean ${suggestion}?`
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

/** Calls the native side; `place` translates its paths into paths of the caller's arguments. */
export function calling<T>(work: () => T, place?: (path: string) => string): T {
  try {
    return work()
  } catch (error) {
    throw fromNative(error, place)
  }
}

/** `calling` for work that returns a promise. */
export async function awaiting<T>(work: () => Promise<T>, place?: (path: string) => string): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw fromNative(error, place)
  }
}
