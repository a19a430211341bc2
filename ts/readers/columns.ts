/**
 * Columns that grow while a file is read and are then converted to typed arrays.
 *
 * The options `columns` or `fields` give the kind of each column; a value of another kind is rejected with its line and
 * column.
 */
import { plain, refuse, show, texts, whole, type Plain } from '../read.js'
import { LimbeckError } from '../errors.js'

/** The kind of a column. */
export type Kind = 'number' | 'integer' | 'category' | 'text' | 'skip'

/** A column with few different values: `names[codes[row]]` is the value of a row. Use `codes` as labels and `names` as label names. */
export interface Categories {
  codes: Uint32Array
  /** The values in the order of their first appearance, or in the given order. */
  names: string[]
  /** The line of the file in which each name appears first; 0 for a given name that does not appear. */
  lines: number[]
}

/** Rows of `width` numbers. */
export interface Numbers {
  values: Float32Array
  width: number
  /** The names of the columns, if each number has its own column. `Dataset.from` and models keep them. */
  names?: string[]
}

/** Rows with different numbers of ids: row `r` has `values.subarray(offsets[r], offsets[r + 1])`. */
export interface Ragged {
  values: Uint32Array
  offsets: Uint32Array
}

/** The type of the values of a column of this kind. */
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

/** Rows, stored by column. */
export interface Table<C> {
  rows: number
  columns: { [N in keyof C as C[N] extends 'skip' ? never : N]: ColumnOf<C[N]> }
}

/** A column that is being read. */
export interface Growing {
  /** Adds one value; `at` is its position in the file. */
  add(value: unknown, at: At): void
  /** The values that were added since the last call. */
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

/** The position of the current value in a file. One object is used for a whole file and changed for each value. */
export class At {
  line = 0
  column = ''

  constructor(
    readonly file: string,
    /** How messages call a column. */
    readonly kind: 'column' | 'field',
  ) {}

  refuse(expected: string, value: unknown): never {
    const text = JSON.stringify(value) ?? 'nothing'
    const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text
    const column = this.column.length > 60 ? `${this.column.slice(0, 60)}…` : this.column
    const path = `${this.file}, line ${this.line}, ${this.kind} ${column}`
    throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', path, `expected ${expected}, got ${shown}`, { line: this.line })
  }
}

/** Parses a finite number with a decimal point or a decimal comma; undefined for any other text. */
export function numberOf(text: string, decimal: '.' | ',' = '.'): number | undefined {
  if (decimal === ',') {
    if (text.includes('.')) return undefined
    text = text.replace(',', '.')
  }
  const value = Number(text)
  // Number() reads an empty text as 0 and accepts 0x, 0o and 0b.
  if (value === 0 && text.trim() === '') return undefined
  return text.length > 2 && /[xob]/i.test(text) ? undefined : finite(value)
}

function finite(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && Number.isFinite(Math.fround(value)) ? value : undefined
}

/** An empty column; `names` are the values of a category, if only those are allowed. */
export function growing(kind: Kind | 'numbers' | 'ids', names?: readonly string[], columns?: readonly string[]): Growing {
  switch (kind) {
    case 'number': {
      const values = floats()
      const add: Growing['add'] = (value, at) => values.push(finite(value) ?? at.refuse('a number', value))
      return { add, take: () => values.take() }
    }
    case 'integer': {
      const values = new Growth(new Int32Array(64))
      const add: Growing['add'] = (value, at) => {
        const number = finite(value)
        values.push(number !== undefined && number === (number | 0) ? number : at.refuse('a 32-bit integer', value))
      }
      return { add, take: () => values.take() }
    }
    case 'text': {
      let values: string[] = []
      const add: Growing['add'] = (value, at) => values.push(typeof value === 'string' ? value : at.refuse('a string', value))
      const take = () => [values, (values = [])][0]
      return { add, take }
    }
    case 'category':
      return category(names)
    case 'numbers':
      return numbers(columns)
    case 'ids':
      return ids()
    case 'skip':
      return { add: () => {}, take: () => undefined }
  }
}

function category(given: readonly string[] | undefined): Growing {
  const codes = naturals()
  const known = new Map((given ?? []).map((name, code) => [name, code]))
  const lines = (given ?? []).map(() => 0)
  const add: Growing['add'] = (value, at) => {
    let name = value
    if (name === null) name = ''
    if (typeof name === 'number' || typeof name === 'boolean') name = String(name)
    if (typeof name !== 'string') return at.refuse('a string, a number or a boolean', value)
    let code = known.get(name)
    if (code === undefined) {
      if (given !== undefined) return at.refuse(`one of ${shownNames(given)}`, value)
      known.set(name, (code = known.size))
    }
    lines[code] ||= at.line
    codes.push(code)
  }
  return { add, take: (): Categories => ({ codes: codes.take(), names: [...known.keys()], lines: [...lines] }) }
}

/** The first 12 names, each shortened, for a message. */
export function shownNames(names: readonly string[]): string {
  const shown = names.slice(0, 12).map(name => (name.length > 40 ? `${name.slice(0, 40)}…` : name))
  return names.length > 12 ? `${shown.join(', ')} and ${names.length - 12} more` : shown.join(', ')
}

function numbers(columns: readonly string[] | undefined): Growing {
  const values = floats()
  let width: number | undefined
  const add: Growing['add'] = (value, at) => {
    if (!Array.isArray(value)) return at.refuse('an array of numbers', value)
    width ??= value.length
    if (value.length !== width) return at.refuse(`${width} numbers, as in the first row`, value)
    for (const number of value) values.push(finite(number) ?? at.refuse('an array of numbers', value))
  }
  const take = (): Numbers => ({ values: values.take(), width: width ?? columns?.length ?? 0, ...(columns && { names: [...columns] }) })
  return { add, take }
}

function ids(): Growing {
  const values = naturals()
  const offsets = naturals()
  offsets.push(0)
  const add: Growing['add'] = (value, at) => {
    const wanted = 'an array of integers of at least 0'
    if (!Array.isArray(value)) return at.refuse(wanted, value)
    for (const id of value) values.push(typeof id === 'number' && id === id >>> 0 ? id : at.refuse(wanted, value))
    offsets.push(values.length)
  }
  const take = (): Ragged => {
    const taken = { values: values.take(), offsets: offsets.take() }
    offsets.push(0)
    return taken
  }
  return { add, take }
}

/** A column of the result: its kind, or the columns that are its numbers. */
export interface Wanted<Simple extends string> {
  name: string
  kind: Simple | 'numbers'
  /** The columns that are read for it. */
  from: string[]
  /** Whether the numbers of these columns form one array per row. */
  joined: boolean
  column: Growing
}

/** Reads the option `columns` or `fields` and the allowed values of categories; skipped columns are left out. */
export function wantedOf<Simple extends Kind | 'numbers' | 'ids'>(
  path: 'columns' | 'fields',
  given: unknown,
  categories: unknown,
  simple: readonly Simple[],
): Wanted<Simple>[] {
  const kinds = plain(path, given)
  const names: Plain = categories === undefined ? (Object.create(null) as Plain) : plain('categories', categories)
  for (const name of Object.keys(names)) {
    if (kinds[name] !== 'category') refuse(`categories.${name}`, `a category among the ${path}`, kinds[name])
  }
  const wanted = Object.entries(kinds).map(([name, kind]): Wanted<Simple> => {
    const own = simple.find(one => one === kind)
    if (own !== undefined) {
      const allowed = names[name] === undefined ? undefined : texts(`categories.${name}`, names[name])
      return { name, kind: own, from: [name], joined: false, column: growing(own, allowed) }
    }
    const expected = `${simple.map(one => `'${one}'`).join(', ')} or { numbers: [names] }`
    if (typeof kind !== 'object' || kind === null) return refuse(`${path}.${name}`, expected, kind)
    const from = texts(`${path}.${name}.numbers`, plain(`${path}.${name}`, kind, ['numbers']).numbers)
    return { name, kind: 'numbers', from, joined: true, column: growing('numbers', undefined, from) }
  })
  return wanted.filter(({ kind }) => kind !== 'skip')
}

/** The rows of all columns since the last call. */
export function taken<C>(rows: number, wanted: readonly Wanted<string>[]): Table<C> {
  const columns = Object.fromEntries(wanted.map(({ name, column }) => [name, column.take()]))
  return { rows, columns: columns as Table<C>['columns'] }
}

/** The number of rows per batch of a stream. */
export function batchRowsOf(rows: unknown): number {
  return rows === undefined ? 1024 : whole('batchRows', rows, 1)
}

/** Reads an option that is one character. */
export function characterOf(path: string, value: unknown, not: string): string {
  if (typeof value === 'string' && value.length === 1 && !not.includes(value)) return value
  throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', path, `expected one character other than a quote or a line end, got ${show(value)}`)
}
