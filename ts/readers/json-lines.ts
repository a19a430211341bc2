/**
 * JSON lines with typed fields, strict and streaming: one JSON object per line.
 *
 * Source: jsonlines.org. Where we differ: empty lines are skipped.
 */
import { plain } from '../read.js'
import { LimbeckError } from '../errors.js'
import { At, batchRowsOf, taken, wantedOf } from './columns.js'
import type { Kind, Table, Wanted } from './columns.js'
import { nameOf, textOf } from './source.js'
import type { Source } from './source.js'

/**
 * The kind of a field: a kind of a CSV column; `numbers`, an array of numbers with the same length in every row; `ids`, an
 * array of ids; or the fields whose numbers form one array per row.
 */
export type JsonKind = Kind | 'numbers' | 'ids' | { numbers: readonly string[] }

export interface JsonLinesOptions<C extends Record<string, JsonKind>> {
  /** The kind of each field, by name; other fields are skipped. */
  fields: C
  /** The allowed values of a category, by field; others are rejected. Default: all values, in the order of their first appearance. */
  categories?: Partial<Record<keyof C & string, readonly string[]>>
  /** The number of rows per batch, for `streamJsonLines`. Default 1024. */
  batchRows?: number
}

const KINDS = ['number', 'integer', 'category', 'text', 'skip', 'numbers', 'ids'] as const

/** Reads a whole file of JSON lines, packed with gzip or not, into typed columns. */
export async function readJsonLines<const C extends Record<string, JsonKind>>(
  source: Source,
  options: JsonLinesOptions<C>,
): Promise<Table<C>> {
  const file = new JsonFile<C>(source, options)
  for await (const { text, line } of linesOf(source)) file.add(text, line)
  return file.take()
}

/** Reads JSON lines in batches of rows, for files larger than memory. Categories keep their numbers from batch to batch. */
export async function* streamJsonLines<const C extends Record<string, JsonKind>>(
  source: Source,
  options: JsonLinesOptions<C>,
): AsyncGenerator<Table<C>, void, undefined> {
  const file = new JsonFile<C>(source, options)
  for await (const { text, line } of linesOf(source)) {
    file.add(text, line)
    if (file.rows === file.batchRows) yield file.take()
  }
  if (file.rows > 0) yield file.take()
}

class JsonFile<C extends Record<string, JsonKind>> {
  rows = 0
  readonly batchRows: number
  private readonly at: At
  private readonly wanted: Wanted<(typeof KINDS)[number]>[]

  constructor(source: Source, options: unknown) {
    const { fields, categories, batchRows } = plain('options', options, ['fields', 'categories', 'batchRows'])
    this.wanted = wantedOf('fields', fields, categories, KINDS)
    this.batchRows = batchRowsOf(batchRows)
    this.at = new At(nameOf(source), 'field')
  }

  add(text: string, line: number): void {
    const { at } = this
    const place = `${at.file}, line ${line}`
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
    const valueOf = (name: string) => (Object.hasOwn(row, name) ? (row as Record<string, unknown>)[name] : undefined)
    at.line = line
    for (const { column, from, joined } of this.wanted) {
      const number = (name: string) => {
        const value = valueOf((at.column = name))
        return typeof value === 'number' ? value : at.refuse('a number', value)
      }
      if (joined) column.add(from.map(number), at)
      else column.add(valueOf((at.column = from[0]!)), at)
    }
    this.rows++
  }

  take(): Table<C> {
    const { rows } = this
    this.rows = 0
    return taken(rows, this.wanted)
  }
}

/** The lines that are not empty, with their line numbers from 1. */
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
