/**
 * Reads values of the caller: own properties only, each read once, and finite numbers. Any other value is rejected with its
 * path, the expected value and the given one.
 */
import { LimbeckError, type ErrorCode } from './errors.js'
import { unknownKey } from './suggest.js'

/** An object without inherited properties. */
export type Plain = Record<string, unknown>

/** Texts that stand for a value in messages. A map, since `instanceof` would run a trap of the caller's proxy. */
const said = new WeakMap<object, string>()

export function words(text: string): unknown {
  const one = {}
  said.set(one, text)
  return one
}

/** A value in few words, for a message. */
export function show(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return 'nothing'
    case 'string':
      return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
    case 'number':
    case 'boolean':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return `the bigint ${value}`
    case 'symbol':
      return 'a symbol'
    case 'function':
      return 'a function'
    default:
      if (value === null) return 'null'
      if (said.has(value as object)) return said.get(value as object)!
      return isArray(value) ? 'an array' : kindOf(value as object)
  }
}

/** `Array.isArray`, which throws for a revoked proxy. */
function isArray(value: unknown): boolean {
  try {
    return Array.isArray(value)
  } catch {
    return false
  }
}

/** Reads a value of the caller. If a getter or a proxy trap throws, the value is rejected, with the thrown value as the cause. */
export function reading<T>(path: string, look: () => T): T {
  try {
    return look()
  } catch (cause) {
    if (cause instanceof LimbeckError) throw cause
    throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', path, 'expected a readable value, got one whose getter or proxy throws', { cause })
  }
}

function kindOf(value: object): string {
  try {
    const name = (value as { constructor?: { name?: unknown } }).constructor?.name
    return typeof name === 'string' && name !== '' && name !== 'Object' ? `a ${name}` : 'an object'
  } catch {
    return 'an object'
  }
}

/** Rejects an option. */
export function refuse(path: string, expected: string, got: unknown, code: ErrorCode = 'ERR_LIMBECK_INVALID_CONFIG'): never {
  throw new LimbeckError(code, path, `expected ${expected}, got ${show(got)}`)
}

/** Rejects data. */
export function refuseData(path: string, expected: string, got: unknown): never {
  return refuse(path, expected, got, 'ERR_LIMBECK_INVALID_DATA')
}

/** The path of a key of the object at `path`. */
export function below(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

/** The own properties of a plain object, each read once; a key that is not in `keys` is refused by name. */
export function plain(path: string, value: unknown, keys?: readonly string[]): Plain {
  if (typeof value !== 'object' || value === null) return refuse(path, 'an object', value)
  const own: Plain = Object.create(null) as Plain
  reading(path, () => {
    if (Array.isArray(value)) refuse(path, 'an object', value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
      const kind = kindOf(value)
      refuse(path, 'a plain object', words(kind === 'an object' ? 'an object with inherited properties' : kind))
    }
    for (const key of Object.keys(value)) own[key] = (value as Plain)[key]
  })
  if (keys !== undefined) {
    const unknown = Object.keys(own).find(key => !keys.includes(key))
    if (unknown !== undefined) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', below(path, unknown), unknownKey(unknown, keys))
    }
  }
  return own
}

/** The JSON text of options: a tree of plain objects, arrays, texts, booleans and finite numbers. */
export function json(path: string, value: unknown): string {
  return JSON.stringify(tree(path, value, 0))
}

/** The deepest nesting that options may have. */
export const DEEPEST = 64
/** The values that options may have, for messages. */
const PLAIN = 'a string, a number, a boolean, an array or a plain object'

/** A copy of such a tree; keys without a value are left out. */
export function tree(path: string, value: unknown, depth = 0): unknown {
  if (depth > DEEPEST) refuse(path, `at most ${DEEPEST} nested objects`, words('more'))
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) ? value : refuse(path, 'a finite number', value)
    case 'object':
      if (value === null) return refuse(path, PLAIN, value)
      if (isArray(value)) return list(path, value).map((entry, index) => tree(`${path}.${index}`, entry, depth + 1))
      break
    default:
      return refuse(path, PLAIN, value)
  }
  const copy = plain(path, value)
  for (const [key, entry] of Object.entries(copy)) {
    if (entry === undefined) delete copy[key]
    else copy[key] = tree(below(path, key), entry, depth + 1)
  }
  return copy
}

/** The entries of an array, each read once. */
export function list(path: string, value: unknown): unknown[] {
  return reading(path, () => {
    if (!Array.isArray(value)) return refuse(path, 'an array', value)
    return Array.from({ length: value.length }, (_, index) => (value as unknown[])[index])
  })
}

/** An integer of at least `least`, at most 2⁵³ − 1. */
export function whole(path: string, value: unknown, least: number): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
  return refuse(path, `an integer of at least ${least}`, value)
}

/** A finite number. */
export function number(path: string, value: unknown): number {
  return typeof value === 'number' && Number.isFinite(value) ? value : refuse(path, 'a finite number', value)
}

export function text(path: string, value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : refuse(path, 'a string that is not empty', value)
}

export function boolean(path: string, value: unknown): boolean {
  return typeof value === 'boolean' ? value : refuse(path, 'true or false', value)
}

export function texts(path: string, value: unknown): string[] {
  return list(path, value).map((entry, index) =>
    typeof entry === 'string' ? entry : refuse(`${path}[${index}]`, 'a string', entry),
  )
}

/** An `AbortSignal` or nothing. */
export function signalOf(path: string, value: unknown): AbortSignal | undefined {
  const signal = (given: unknown): given is AbortSignal => given instanceof AbortSignal
  if (value === undefined || reading(path, () => signal(value))) return value as AbortSignal | undefined
  return refuse(path, 'an AbortSignal', value)
}
