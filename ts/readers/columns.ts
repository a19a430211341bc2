/**
 * Columns that grow while a file is read, and become typed arrays.
 *
 * What a column holds is said once, in `columns` or `fields`; a value that does
 * not fit is refused with its line and column.
 */
import { LimbeckError } from '../errors.js'

/** What a column holds. */
export type Kind = 'number' | 'integer' | 'category' | 'text' | 'skip'

/** One of few values: `names[codes[row]]` is the value of a row. Use `codes` as labels and `names` as their names. */
export interface Categories {
  codes: Uint32Array
  /** In the order of their first appearance, or as given. */
  names: string[]
}

/** Numbers, `width` in every row. */
export interface Numbers {
  values: Float32Array
  width: number
}

/** Ids of different count: row `r` has `values.subarray(offsets[r], offsets[r + 1])`. */
export interface Ragged {
  values: Uint32Array
  offsets: Uint32Array
}

/** The typed array, or the like, that a column of this kind becomes. */
export type ColumnOf<K> = K extends 'number'
  ? Float32Array
  : K extends 'integer'
    ? Int32Array
    : K extends 'category'
      ? Categories
      : K extends 'text'
        ? string[]
        : K extends 'ids'
          ? Ragged
          : Numbers

/** Rows in columns. */
export interface Table<C> {
  rows: number
  columns: { [N in keyof C as C[N] extends 'skip' ? never : N]: ColumnOf<C[N]> }
}

/** A column that is being read. */
export interface Growing {
  /** Adds one value; `refuse` takes what was expected. */
  add(value: unknown, refuse: (expected: string) => never): void
  /** What was added since the last call. */
  take(): unknown
}

type Buffers = Float32Array | Int32Array | Uint32Array

/** A typed array that doubles when it is full. */
class Growth<A extends Buffers> {
  length = 0
  constructor(private values: A) {}

  push(value: number): void {
    if (this.length === this.values.length) {
      const larger = new (this.values.constructor as new (length: number) => A)(2 * this.length)
      larger.set(this.values)
      this.values = larger
    }
    this.values[this.length++] = value
  }

  take(): A {
    const taken = this.values.slice(0, this.length) as A
    this.length = 0
    return taken
  }
}

const floats = () => new Growth(new Float32Array(64))
const naturals = () => new Growth(new Uint32Array(64))

/** A finite number as a person writes it. */
export function numberOf(text: string): number | undefined {
  const value = Number(text)
  // Number() reads empty text as 0 and knows 0x, 0o and 0b.
  if (value === 0 && text.trim() === '') return undefined
  return text.length > 2 && /[xob]/i.test(text) ? undefined : finite(value)
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && Number.isFinite(Math.fround(value)) ? value : undefined
}

/** An empty column; `names` are the values of a category, if only those are allowed. */
export function growing(kind: Kind | 'numbers' | 'ids', names?: readonly string[]): Growing {
  switch (kind) {
    case 'number': {
      const values = floats()
      const add: Growing['add'] = (value, refuse) => values.push(finite(value) ?? refuse('a number'))
      return { add, take: () => values.take() }
    }
    case 'integer': {
      const values = new Growth(new Int32Array(64))
      const add: Growing['add'] = (value, refuse) => {
        const number = finite(value)
        values.push(number !== undefined && number === (number | 0) ? number : refuse('a whole number of 32 bits'))
      }
      return { add, take: () => values.take() }
    }
    case 'text': {
      let values: string[] = []
      const add: Growing['add'] = (value, refuse) => values.push(typeof value === 'string' ? value : refuse('a text'))
      const take = () => [values, (values = [])][0]
      return { add, take }
    }
    case 'category':
      return category(names)
    case 'numbers':
      return numbers()
    case 'ids':
      return ids()
    case 'skip':
      return { add: () => {}, take: () => undefined }
  }
}

function category(given: readonly string[] | undefined): Growing {
  const codes = naturals()
  const known = new Map((given ?? []).map((name, code) => [name, code]))
  const add: Growing['add'] = (value, refuse) => {
    if (value === null) value = ''
    if (typeof value === 'number' || typeof value === 'boolean') value = String(value)
    if (typeof value !== 'string') return refuse('a text, a number or a boolean')
    let code = known.get(value)
    if (code === undefined) {
      if (given !== undefined) return refuse(`one of ${given.join(', ')}`)
      known.set(value, (code = known.size))
    }
    codes.push(code)
  }
  return { add, take: (): Categories => ({ codes: codes.take(), names: [...known.keys()] }) }
}

function numbers(): Growing {
  const values = floats()
  let width: number | undefined
  const add: Growing['add'] = (value, refuse) => {
    if (!Array.isArray(value)) return refuse('an array of numbers')
    width ??= value.length
    if (value.length !== width) return refuse(`${width} numbers, as in the first row`)
    for (const number of value) values.push(finite(number) ?? refuse('an array of numbers'))
  }
  return { add, take: (): Numbers => ({ values: values.take(), width: width ?? 0 }) }
}

function ids(): Growing {
  const values = naturals()
  const offsets = naturals()
  offsets.push(0)
  const add: Growing['add'] = (value, refuse) => {
    const wanted = 'an array of whole numbers of 0 or more'
    if (!Array.isArray(value)) return refuse(wanted)
    for (const id of value) values.push(typeof id === 'number' && id === id >>> 0 ? id : refuse(wanted))
    offsets.push(values.length)
  }
  const take = (): Ragged => {
    const taken = { values: values.take(), offsets: offsets.take() }
    offsets.push(0)
    return taken
  }
  return { add, take }
}

/** Refuses a value; `place` is the column or field that it stands in. */
export function refusal(name: string, line: number, place: string, value: unknown): (expected: string) => never {
  return expected => {
    const text = JSON.stringify(value) ?? 'nothing'
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
    const path = `${name}, line ${line}, ${place}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, `expected ${expected}, got ${shown}`, { line })
  }
}

/** How many rows a batch of a stream has. */
export function checkedBatchRows(rows: number | undefined): number {
  if (rows === undefined) return 1024
  if (Number.isInteger(rows) && rows >= 1) return rows
  throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'batchRows', `expected a whole number of 1 or more, got ${rows}`)
}
