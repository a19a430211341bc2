/**
 * JSON lines with typed fields, strict and streaming: one JSON object a line.
 *
 * Source: jsonlines.org. Where we differ: empty lines are passed over.
 */
import { LimbeckError } from '../errors.js'
import { checkedBatchRows, growing, refusal } from './columns.js'
import type { Growing, Kind, Table } from './columns.js'
import { nameOf, textOf } from './source.js'
import type { Source } from './source.js'

/** What a field holds: beside what a column of a CSV may, arrays of numbers (as many in every row) or of ids. */
export type JsonKind = Kind | 'numbers' | 'ids'

export interface JsonLinesOptions<C extends Record<string, JsonKind>> {
  /** What each field holds, by name; fields that are not named are passed over. */
  fields: C
  /** The values that a category may have, by field; others are refused. Default: every value, numbered as it first appears. */
  categories?: Partial<Record<keyof C & string, readonly string[]>>
  /** Rows a batch, of `streamJsonLines`. Default 1024. */
  batchRows?: number
}

const KINDS = ['number', 'integer', 'category', 'text', 'skip', 'numbers', 'ids']

/** Reads a whole file of JSON lines, packed with gzip or not, into typed columns. */
export async function readJsonLines<const C extends Record<string, JsonKind>>(
  source: Source,
  options: JsonLinesOptions<C>,
): Promise<Table<C>> {
  const file = new JsonFile(source, options)
  for await (const { text, line } of linesOf(source)) file.add(text, line)
  return file.take()
}

/** Reads JSON lines in batches of rows, for files larger than memory. Categories keep their numbers from batch to batch. */
export async function* streamJsonLines<const C extends Record<string, JsonKind>>(
  source: Source,
  options: JsonLinesOptions<C>,
): AsyncGenerator<Table<C>, void, undefined> {
  const size = checkedBatchRows(options.batchRows)
  const file = new JsonFile(source, options)
  for await (const { text, line } of linesOf(source)) {
    file.add(text, line)
    if (file.rows === size) yield file.take()
  }
  if (file.rows > 0) yield file.take()
}

class JsonFile<C extends Record<string, JsonKind>> {
  rows = 0
  private readonly name: string
  private readonly columns: { name: string; column: Growing }[]

  constructor(source: Source, options: JsonLinesOptions<C>) {
    this.name = nameOf(source)
    this.columns = Object.entries(options.fields)
      .filter(([, kind]) => kind !== 'skip')
      .map(([name, kind]) => {
        if (!KINDS.includes(kind)) {
          const expected = KINDS.map(one => `'${one}'`).join(', ')
          throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', `fields.${name}`, `expected one of ${expected}, got ${JSON.stringify(kind)}`)
        }
        return { name, column: growing(kind, options.categories?.[name]) }
      })
  }

  add(text: string, line: number): void {
    const place = `${this.name}, line ${line}`
    let row: unknown
    try {
      row = JSON.parse(text)
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', place, `expected JSON, got: ${reason}`, { cause, line })
    }
    if (typeof row !== 'object' || row === null || Array.isArray(row)) {
      throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', place, `expected an object, got ${text.slice(0, 60)}`, { line })
    }
    for (const { name, column } of this.columns) {
      const value = Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : undefined
      column.add(value, refusal(this.name, line, `field ${name}`, value))
    }
    this.rows++
  }

  take(): Table<C> {
    const columns = Object.fromEntries(this.columns.map(({ name, column }) => [name, column.take()]))
    const rows = this.rows
    this.rows = 0
    return { rows, columns: columns as Table<C>['columns'] }
  }
}

/** The lines that hold something, with their numbers from 1. */
async function* linesOf(source: Source): AsyncGenerator<{ text: string; line: number }, void, undefined> {
  let parts: string[] = []
  let line = 0
  for await (const piece of textOf(source)) {
    let from = 0
    for (let end = piece.indexOf('\n'); end >= 0; end = piece.indexOf('\n', from)) {
      parts.push(piece.slice(from, end))
      from = end + 1
      line++
      const text = parts.join('')
      parts = []
      if (text.trim() !== '') yield { text, line }
    }
    parts.push(piece.slice(from))
  }
  const text = parts.join('')
  if (text.trim() !== '') yield { text, line: line + 1 }
}
