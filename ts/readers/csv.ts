/**
 * CSV with typed columns, strict and streaming.
 *
 * Source: Y. Shafranovich, RFC 4180, 2005. Where we differ: UTF-8; a line may
 * end in a line feed alone; another delimiter may be given; lines with nothing
 * in them are passed over.
 */
import { LimbeckError } from '../errors.js'
import { checkedBatchRows, growing, numberOf, refusal } from './columns.js'
import type { Growing, Kind, Table } from './columns.js'
import { Records } from './csv-records.js'
import { nameOf, textOf } from './source.js'
import type { Source } from './source.js'

/** What a column is, or which columns together are the numbers of a row. */
export type CsvKind = Kind | { numbers: readonly string[] }

export interface CsvOptions<C extends Record<string, CsvKind>> {
  /** What each column holds, by name; columns that are not named are passed over. `{ numbers: [names] }` makes one array of several columns. */
  columns: C
  /** The names of the columns where the file has no line of names. Default: the first line has them. */
  header?: readonly string[]
  /** One character. Default `,`. */
  delimiter?: string
  /** The values that a category may have, by column; others are refused. Default: every value, numbered as it first appears. */
  categories?: Partial<Record<keyof C & string, readonly string[]>>
  /** Rows a batch, of `streamCsv`. Default 1024. */
  batchRows?: number
}

/** Reads a whole CSV file, packed with gzip or not, into typed columns. */
export async function readCsv<const C extends Record<string, CsvKind>>(
  source: Source,
  options: CsvOptions<C>,
): Promise<Table<C>> {
  const file = new CsvFile(source, options)
  for await (const piece of textOf(source)) file.push(piece)
  file.end()
  return file.take()
}

/** Reads a CSV file in batches of rows, for files larger than memory. Categories keep their numbers from batch to batch. */
export async function* streamCsv<const C extends Record<string, CsvKind>>(
  source: Source,
  options: CsvOptions<C>,
): AsyncGenerator<Table<C>, void, undefined> {
  const size = checkedBatchRows(options.batchRows)
  const file = new CsvFile(source, options)
  const ready: Table<C>[] = []
  file.afterRow = rows => {
    if (rows === size) ready.push(file.take())
  }
  for await (const piece of textOf(source)) {
    file.push(piece)
    yield* ready.splice(0)
  }
  file.end()
  yield* ready
  if (file.rows > 0) yield file.take()
}

/** A column of the result and the fields that it is made of. */
interface Target {
  name: string
  kind: Kind | 'numbers'
  column: Growing
  fields: number[]
}

class CsvFile<C extends Record<string, CsvKind>> {
  rows = 0
  afterRow: (rows: number) => void = () => {}
  private readonly name: string
  private readonly options: CsvOptions<C>
  private readonly records: Records
  private header: readonly string[] | undefined
  private targets: Target[] = []

  constructor(source: Source, options: CsvOptions<C>) {
    this.name = nameOf(source)
    this.options = options
    const { delimiter = ',' } = options
    if (delimiter.length !== 1 || '"\r\n'.includes(delimiter)) {
      const message = `expected one character that is no quote or end of line, got ${JSON.stringify(delimiter)}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', 'delimiter', message)
    }
    for (const [name, kind] of Object.entries(options.columns)) checkKind(name, kind)
    this.records = new Records(this.name, delimiter, (fields, line) => this.record(fields, line))
    if (options.header !== undefined) this.begin(options.header, 1)
  }

  push(text: string): void {
    this.records.push(text)
  }

  end(): void {
    this.records.end()
    if (this.header === undefined) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', this.name, 'expected a line with the names of the columns, got nothing')
    }
  }

  take(): Table<C> {
    const columns = Object.fromEntries(this.targets.map(({ name, column }) => [name, column.take()]))
    const rows = this.rows
    this.rows = 0
    return { rows, columns: columns as Table<C>['columns'] }
  }

  private begin(header: readonly string[], line: number): void {
    this.header = header
    const place = (name: string): number => {
      const at = header.indexOf(name)
      if (at >= 0 && header.indexOf(name, at + 1) < 0) return at
      const shown = header.length > 20 ? `${header.slice(0, 20).join(', ')}, …` : header.join(', ')
      const expected = at < 0 ? `expected a column ${name}` : `expected one column ${name}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${this.name}, line ${line}`, `${expected}, got ${shown}`, { line })
    }
    for (const [name, kind] of Object.entries(this.options.columns)) {
      if (kind === 'skip') continue
      if (typeof kind === 'object') {
        this.targets.push({ name, kind: 'numbers', column: growing('numbers'), fields: kind.numbers.map(place) })
      } else {
        this.targets.push({ name, kind, column: growing(kind, this.options.categories?.[name]), fields: [place(name)] })
      }
    }
  }

  private record(fields: string[], line: number): void {
    if (this.header === undefined) return this.begin(fields, line)
    if (fields.length !== this.header.length) {
      const message = `expected ${this.header.length} fields, got ${fields.length}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${this.name}, line ${line}`, message, { line })
    }
    for (const { name, column, fields: places, kind } of this.targets) {
      if (kind === 'text' || kind === 'category') {
        const value = fields[places[0]!]!
        column.add(value, refusal(this.name, line, `column ${name}`, value))
        continue
      }
      const numbers = places.map(place => {
        const value = fields[place]!
        return numberOf(value) ?? refusal(this.name, line, `column ${this.header![place]}`, value)('a number')
      })
      column.add(kind === 'numbers' ? numbers : numbers[0], refusal(this.name, line, `column ${name}`, fields[places[0]!]))
    }
    this.rows++
    this.afterRow(this.rows)
  }
}

function checkKind(name: string, kind: unknown): void {
  const simple = ['number', 'integer', 'category', 'text', 'skip']
  if (typeof kind === 'string' && simple.includes(kind)) return
  if (typeof kind === 'object' && kind !== null && Array.isArray((kind as { numbers?: unknown }).numbers)) return
  const expected = `${simple.map(one => `'${one}'`).join(', ')} or { numbers: [names] }`
  throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', `columns.${name}`, `expected ${expected}, got ${JSON.stringify(kind)}`)
}
