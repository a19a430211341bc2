/**
 * CSV with typed columns, strict and streaming.
 *
 * Source: Y. Shafranovich, RFC 4180, 2005. Where we differ: UTF-8; a line may end in a single line feed; another
 * delimiter and a decimal comma may be given; empty lines are skipped. Tab-separated values have no quotes, as in IANA's
 * text/tab-separated-values.
 */
import { plain, refuse, texts } from '../read.js'
import { LimbeckError } from '../errors.js'
import { At, batchRowsOf, characterOf, numberOf, shownNames, taken, wantedOf } from './columns.js'
import type { Kind, Table, Wanted } from './columns.js'
import { Records } from './csv-records.js'
import { nameOf, textOf } from './source.js'
import type { Source } from './source.js'

/** The kind of a column, or the columns whose numbers form one array per row. */
export type CsvKind = Kind | { numbers: readonly string[] }

export interface CsvOptions<C extends Record<string, CsvKind>> {
  /**
   * The kind of each column, by name; other columns are skipped. `{ numbers: [names] }` joins several columns to one array,
   * which keeps their names.
   */
  columns: C
  /** The names of the columns, for a file without a header line. Default: the first line contains them. */
  header?: readonly string[]
  /** The character between two fields. Default `,`. */
  delimiter?: string
  /** `'"'`: quotes enclose a field; `false`: quotes are ordinary characters. Default `'"'`, or `false` if the delimiter is a tab. */
  quote?: '"' | false
  /** The decimal separator. Default `.`. */
  decimal?: '.' | ','
  /** The allowed values of a category, by column; others are rejected. Default: all values, in the order of their first appearance. */
  categories?: Partial<Record<keyof C & string, readonly string[]>>
  /** The number of rows per batch, for `streamCsv`. Default 1024. */
  batchRows?: number
}

const KINDS = ['number', 'integer', 'category', 'text', 'skip'] as const
const KEYS = ['columns', 'header', 'delimiter', 'quote', 'decimal', 'categories', 'batchRows']

/** The checked format of a file. */
export interface Dialect {
  delimiter: string
  quotes: boolean
  decimal: '.' | ','
}

export function dialectOf({ delimiter: given, quote, decimal: point }: { [key in 'delimiter' | 'quote' | 'decimal']?: unknown }): Dialect {
  const delimiter = given === undefined ? ',' : characterOf('delimiter', given, '"\r\n')
  if (quote !== undefined && quote !== '"' && quote !== false) refuse('quote', '\'"\' or false', quote)
  const decimal = point === undefined ? '.' : point === '.' || point === ',' ? point : refuse('decimal', "'.' or ','", point)
  if (decimal === delimiter) refuse('decimal', 'a character other than the delimiter: set delimiter, for example to ;', decimal)
  return { delimiter, quotes: quote === undefined ? delimiter !== '\t' : quote !== false, decimal }
}

/** Reads a whole CSV file, packed with gzip or not, into typed columns. */
export async function readCsv<const C extends Record<string, CsvKind>>(
  source: Source,
  options: CsvOptions<C>,
): Promise<Table<C>> {
  const file = new CsvFile<C>(source, options)
  for await (const piece of textOf(source)) file.push(piece)
  file.end()
  return file.take()
}

/** Reads a CSV file in batches of rows, for files larger than memory. Categories keep their numbers from batch to batch. */
export async function* streamCsv<const C extends Record<string, CsvKind>>(
  source: Source,
  options: CsvOptions<C>,
): AsyncGenerator<Table<C>, void, undefined> {
  const file = new CsvFile<C>(source, options)
  const ready: Table<C>[] = []
  file.afterRow = rows => {
    if (rows === file.batchRows) ready.push(file.take())
  }
  for await (const piece of textOf(source)) {
    file.push(piece)
    yield* ready.splice(0)
  }
  file.end()
  yield* ready
  if (file.rows > 0) yield file.take()
}

/** Whether a first line contains numbers of a row and not names. Consecutive numbers, such as `0,1,2` for pixels, are names. */
export function areNumbers(header: readonly string[]): boolean {
  const numbers = header.map(field => numberOf(field))
  if (numbers.includes(undefined)) return false
  return !numbers.every((number, at) => Number.isInteger(number) && (at === 0 ? number === 0 || number === 1 : number === numbers[at - 1]! + 1))
}

class CsvFile<C extends Record<string, CsvKind>> {
  rows = 0
  afterRow: (rows: number) => void = () => {}
  readonly batchRows: number
  private readonly records: Records
  private readonly wanted: Wanted<(typeof KINDS)[number]>[]
  private readonly decimal: '.' | ','
  private readonly at: At
  private header: readonly string[] | undefined
  /** The positions of the fields of each wanted column. */
  private fields: number[][] = []

  constructor(source: Source, options: unknown) {
    const own = plain('options', options, KEYS)
    const dialect = dialectOf(own)
    this.wanted = wantedOf('columns', own.columns, own.categories, KINDS)
    this.batchRows = batchRowsOf(own.batchRows)
    this.decimal = dialect.decimal
    this.at = new At(nameOf(source), 'column')
    this.records = new Records(this.at.file, dialect.delimiter, (fields, line) => this.record(fields, line), dialect.quotes)
    if (own.header !== undefined) this.begin(texts('header', own.header), 1)
  }

  push(text: string): void {
    this.records.push(text)
  }

  end(): void {
    this.records.end()
    if (this.header === undefined) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', this.at.file, 'expected a header line with the names of the columns, got nothing')
    }
  }

  take(): Table<C> {
    const { rows } = this
    this.rows = 0
    return taken(rows, this.wanted)
  }

  private begin(header: readonly string[], line: number): void {
    this.header = header
    const hint = areNumbers(header) ? ': the first line contains numbers; if the file has no header line, set header' : ''
    const place = (name: string): number => {
      const at = header.indexOf(name)
      if (at >= 0 && header.indexOf(name, at + 1) < 0) return at
      const expected = `expected ${at < 0 ? 'a' : 'one'} column ${shownNames([name])}, got ${shownNames(header)}${hint}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${this.at.file}, line ${line}`, expected, { line })
    }
    this.fields = this.wanted.map(({ from }) => from.map(place))
  }

  private record(fields: string[], line: number): void {
    const { header, at, decimal } = this
    if (header === undefined) return this.begin(fields, line)
    if (fields.length !== header.length) {
      const message = `expected ${header.length} fields, got ${fields.length}`
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', `${at.file}, line ${line}`, message, { line })
    }
    at.line = line
    this.wanted.forEach(({ name, column, kind, joined }, index) => {
      const places = this.fields[index]!
      if (kind === 'text' || kind === 'category') {
        at.column = name
        return column.add(fields[places[0]!], at)
      }
      const numbers = places.map(place => {
        at.column = header[place]!
        return numberOf(fields[place]!, decimal) ?? at.refuse(decimal === ',' ? 'a number with a decimal comma' : 'a number', fields[place])
      })
      column.add(joined ? numbers : numbers[0], at)
    })
    this.rows++
    this.afterRow(this.rows)
  }
}
