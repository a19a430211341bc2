/** Converts the caller's numbers to typed arrays for the native side. They are checked here and copied there. */
import { list, refuseData, show } from './read.js'
import { LimbeckError } from './errors.js'

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array

/** A typed array, or an array of numbers. */
export type Numbers = TypedArray | readonly number[]

/** A getter of the prototype, which properties that a caller defined on the array do not change. */
const intrinsic = (name: string | symbol) =>
  Object.getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), name)!.get!
const [tagOf, bufferOf, offsetOf, lengthOf] = [Symbol.toStringTag, 'buffer', 'byteOffset', 'length'].map(intrinsic)
const makers = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
} as const

/** The class name of a typed array, whatever properties it defines; undefined for any other value. */
export function kindOfArray(value: unknown): string | undefined {
  return ArrayBuffer.isView(value) ? (tagOf!.call(value) as string | undefined) : undefined
}

/** A view of the same numbers. Memory that is detached, shared or resizable is rejected. */
export function still(path: string, value: TypedArray): TypedArray {
  const buffer = bufferOf!.call(value) as ArrayBufferLike & { resizable?: boolean }
  if (Object.prototype.toString.call(buffer) === '[object SharedArrayBuffer]') {
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, 'expected an ArrayBuffer, got a SharedArrayBuffer; pass a copy')
  }
  if (buffer.resizable === true) {
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, 'expected a buffer of fixed size, got a resizable one; pass a copy')
  }
  try {
    new Uint8Array(buffer, 0, 0)
  } catch (cause) {
    const message = 'expected numbers, got a detached buffer: it was transferred, for example by postMessage'
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, message, { cause })
  }
  const Maker = makers[tagOf!.call(value) as keyof typeof makers] ?? refuseData(path, 'numbers', value)
  return new Maker(buffer as ArrayBuffer, offsetOf!.call(value) as number, lengthOf!.call(value) as number)
}

const INTEGERS = ['Int8Array', 'Uint8Array', 'Uint8ClampedArray', 'Int16Array', 'Uint16Array', 'Int32Array', 'Uint32Array']

/** Whether this is a typed array of integers. */
export function holdsIntegers(value: unknown): boolean {
  return INTEGERS.includes(kindOfArray(value) ?? '')
}

/** Whether this is a typed array, or an array whose first entry is not an array. */
export function isFlat(value: unknown): boolean {
  if (Array.isArray(value)) return !Array.isArray(value[0]) && !ArrayBuffer.isView(value[0])
  return kindOfArray(value) !== undefined
}

/** A typed array or a plain array of numbers. */
function numbers(path: string, value: unknown): TypedArray | unknown[] {
  const kind = kindOfArray(value)
  if (kind !== undefined) return still(path, value as TypedArray)
  if (Array.isArray(value)) return list(path, value)
  return refuseData(path, 'a typed array or an array of numbers', value)
}

/** Converts to 32-bit floating point numbers, which must be finite. */
export function floats(path: string, value: unknown): Float32Array {
  const given = numbers(path, value)
  // The native side checks the values, which is faster.
  if (given instanceof Float32Array) return given
  const made = new Float32Array(given.length)
  for (let index = 0; index < made.length; index++) {
    const entry = given[index]
    if (typeof entry !== 'number' || !Number.isFinite(entry) || !Number.isFinite(Math.fround(entry))) {
      return refuseData(`${path}[${index}]`, finiteNumber(path, entry), entry)
    }
    made[index] = entry
  }
  return made
}

/** The expected value, for a message, with a remedy if a logit is −∞. */
function finiteNumber(path: string, entry: unknown): string {
  const logit = entry === -Infinity && /^teacher/.test(path)
  return `a finite 32-bit number${logit ? ' (give an impossible class a very small logit, such as -1e4)' : ''}`
}

/** Converts to integers from 0 to 2³² − 1. */
export function naturals(path: string, value: unknown): Uint32Array {
  const given = numbers(path, value)
  if (given instanceof Uint32Array) return given
  const made = new Uint32Array(given.length)
  for (let index = 0; index < made.length; index++) {
    const entry = given[index]
    if (typeof entry !== 'number' || entry !== entry >>> 0) {
      return refuseData(`${path}[${index}]`, 'an integer of at least 0', entry)
    }
    made[index] = entry
  }
  return made
}

/** The remedy for labels of another kind. */
function labelRemedy(label: unknown): string {
  if (typeof label === 'string') return ' (pass class numbers, counted from 0, and the class names in the option labelNames)'
  const real = typeof label === 'number' && !Number.isInteger(label)
  return real ? " (for real numbers set labels: 'real'; for class probabilities give an array per row)" : ''
}

/** The native label of a row without a label. */
const UNLABELLED = 0xffffffff

/** Converts to class indices; −1, or `null` in a plain array, marks a row without a label. */
export function classLabels(path: string, value: unknown): Uint32Array {
  const given = numbers(path, value)
  const refused = (index: number) =>
    refuseData(
      `${path}[${index}]`,
      `an integer of at least 0, or -1 for a row without a label${labelRemedy(given[index])}`,
      given[index],
    )
  if (given instanceof Uint32Array) {
    const found = given.indexOf(UNLABELLED)
    return found < 0 ? given : refused(found)
  }
  const made = new Uint32Array(given.length)
  for (let index = 0; index < made.length; index++) {
    const entry = given[index]
    if (entry === null || entry === -1) made[index] = UNLABELLED
    else if (typeof entry === 'number' && entry === entry >>> 0 && entry !== UNLABELLED) made[index] = entry
    else return refused(index)
  }
  return made
}

/** Converts to sample ids: integers from 0 to 2⁵³ − 1. */
export function sampleIds(path: string, value: unknown): Float64Array {
  const given = numbers(path, value)
  const made = new Float64Array(given.length)
  for (let index = 0; index < made.length; index++) {
    const entry = given[index]
    if (typeof entry !== 'number' || !Number.isSafeInteger(entry) || entry < 0) {
      return refuseData(`${path}[${index}]`, 'an integer of at least 0', entry)
    }
    made[index] = entry
  }
  return made
}

/** Converts a `Uint8Array` or a `Uint8ClampedArray` to a `Uint8Array`. */
export function bytes(path: string, value: unknown): Uint8Array {
  const given = numbers(path, value)
  if (given instanceof Uint8Array) return given
  return new Uint8Array(given as Uint8ClampedArray)
}

/** Concatenates rows of equal length. With `maybeIds`, the error of another length has a remedy for rows of integers. */
export function matrix(path: string, value: unknown, maybeIds = false): { values: Float32Array; rows: number; width: number } {
  const rows = list(path, value).map((row, index) => floats(`${path}[${index}]`, row))
  const width = rows[0]?.length ?? 0
  const values = new Float32Array(rows.length * width)
  const remedy = (row: Float32Array) =>
    maybeIds && row.every(entry => Number.isInteger(entry)) ? '; for rows with different numbers of ids, set inputs: { ids: {} }' : ''
  rows.forEach((row, index) => {
    if (row.length !== width) {
      throw new LimbeckError(
        'ERR_LIMBECK_INVALID_DATA',
        `${path}[${index}]`,
        `expected ${width} numbers, as in the first row, got ${row.length}${remedy(row)}`,
      )
    }
    const wrong = row.findIndex(entry => !Number.isFinite(entry))
    if (wrong >= 0) refuseData(`${path}[${index}][${wrong}]`, finiteNumber(path, row[wrong]), row[wrong])
    values.set(row, index * width)
  })
  return { values, rows: rows.length, width }
}

/** Concatenates rows of integers, whose lengths may differ. */
export function raggedRows(path: string, value: unknown): { values: Uint32Array; offsets: Uint32Array } {
  const rows = list(path, value).map((row, index) => naturals(`${path}[${index}]`, row))
  const offsets = new Uint32Array(rows.length + 1)
  rows.forEach((row, index) => (offsets[index + 1] = offsets[index]! + row.length))
  const values = new Uint32Array(offsets[rows.length]!)
  rows.forEach((row, index) => values.set(row, offsets[index]))
  return { values, offsets }
}

/** The number of rows in a flat array of `length` numbers, with `each` numbers per row; the message shows `shape`. */
export function rowsIn(path: string, length: number, each: number, shape: readonly number[] = []): number {
  if (each > 0 && length % each === 0) return length / each
  const rows = shape.length > 1 ? ` (rows of shape ${shape.join(' × ')})` : ''
  throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, `expected a multiple of ${each} numbers${rows}, got ${show(length)}`)
}

/**
 * Transfers the memory of the arrays, so that the caller's arrays are empty afterwards. Memory that cannot be transferred
 * (Node's pool of small buffers, WebAssembly memory) is copied.
 */
export function takenOver<Arrays extends object>(arrays: Arrays): Arrays {
  const places = (Object.entries(arrays) as [string, Float32Array<ArrayBuffer>][]).map(([name, view]) => {
    const { buffer, byteOffset, length } = view
    return { name, buffer, byteOffset, length, Maker: view.constructor as Float32ArrayConstructor }
  })
  const taken = new Map<ArrayBuffer, ArrayBuffer>()
  const take = (buffer: ArrayBuffer) => {
    try {
      return structuredClone(buffer, { transfer: [buffer] })
    } catch {
      return buffer.slice(0)
    }
  }
  const made = places.map(({ name, buffer, byteOffset, length, Maker }) => {
    const own = taken.get(buffer) ?? take(buffer)
    taken.set(buffer, own)
    return [name, new Maker(own, byteOffset, length)]
  })
  return Object.fromEntries(made) as Arrays
}
