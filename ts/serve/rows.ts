/** The inputs of a service's calls: they are counted, copied, joined to batches, and selected from batches. */
import { packInputs } from '../columns.js'
import type { Meaning } from '../meaning.js'
import type { Buffers, ColumnsJson } from '../native/contract.js'

/** Packed inputs. Inputs with equal `json` can be joined. */
export interface Rows {
  json: string
  buffers: Buffers
  rows: number
  /** For each row, the `context` of its call, if a call has one. */
  contexts?: readonly unknown[] | undefined
}

/** Rows that a caller passed, counted. Undefined if their number is not an integer or a value is not finite: the native side then reports the error. */
export function rowsOf(json: string, buffers: Buffers): Rows | undefined {
  const rows = countOf(json, buffers)
  const { f32, ids, idWeights } = buffers
  const weighed = idWeights === undefined || (idWeights.length === ids!.length && idWeights.every(weight => weight >= 0 && weight < Infinity))
  const good = Number.isSafeInteger(rows) && rows > 0 && (f32 === undefined || finite(f32)) && weighed
  return good ? { json, buffers, rows } : undefined
}

/** The number of rows; not an integer if the buffers do not fit. */
export function countOf(json: string, { f32, u8, ids, offsets }: Buffers): number {
  const values = f32 ?? u8 ?? ids
  return offsets === undefined ? (values?.length ?? 0) / numbersOf(json) : raggedRows(offsets, ids!)
}

function finite(values: Float32Array): boolean {
  for (let at = 0; at < values.length; at++) if (!Number.isFinite(values[at])) return false
  return true
}

/** A copy: the caller may write into its arrays as soon as the call has returned. */
export function copied({ json, buffers, rows, contexts }: Rows): Rows {
  const own: Buffers = {}
  if (buffers.f32 !== undefined) own.f32 = buffers.f32.slice()
  if (buffers.u8 !== undefined) own.u8 = buffers.u8.slice()
  if (buffers.ids !== undefined) own.ids = buffers.ids.slice()
  if (buffers.offsets !== undefined) own.offsets = buffers.offsets.slice()
  if (buffers.idWeights !== undefined) own.idWeights = buffers.idWeights.slice()
  return { json, buffers: own, rows, contexts }
}

/** Reuses copies of single rows that are no longer needed: this is cheaper than new memory and its collection. */
export class Spares {
  readonly #spares = new Map<string, Rows[]>()

  constructor(readonly most: number) {}

  /** Copies rows, into reused memory if there is some. */
  copy(given: Rows): Rows {
    const spare = given.rows === 1 ? this.#spares.get(given.json)?.pop() : undefined
    if (spare === undefined) return copied(given)
    for (const kind of ['f32', 'u8', 'ids'] as const) spare.buffers[kind]?.set(given.buffers[kind]!)
    return spare
  }

  /** Takes back a copy that is no longer used. */
  give(rows: Rows): void {
    if (rows.rows !== 1 || rows.buffers.offsets !== undefined) return
    let spares = this.#spares.get(rows.json)
    if (spares === undefined) {
      // The keys are kinds of inputs, not values, so there are few.
      if (this.#spares.size >= 8) return
      this.#spares.set(rows.json, (spares = []))
    }
    if (spares.length < this.most) spares.push(rows)
  }
}

const counts = new Map<string, number>()

/** The count of numbers of one row, for rows of equal length. */
function numbersOf(json: string): number {
  const known = counts.get(json)
  if (known !== undefined) return known
  const { inputs } = JSON.parse(json) as ColumnsJson
  const size =
    'ids' in inputs
      ? inputs.ids.length
      : ('f32' in inputs ? inputs.f32.shape : 'u8' in inputs ? inputs.u8.shape : []).reduce((product, side) => product * side, 1)
  // There is one entry per kind of inputs of the serving models.
  if (counts.size > 100) counts.clear()
  counts.set(json, size)
  return size
}

function raggedRows(offsets: Uint32Array, ids: Uint32Array): number {
  const rising = offsets.every((offset, row) => row === 0 || offset >= offsets[row - 1]!)
  return rising && offsets[0] === 0 && offsets.at(-1) === ids.length ? offsets.length - 1 : NaN
}

/** Memory that is reused to join batches: fresh pages cost more than the copy. */
const scratch = { f32: new Float32Array(0), u8: new Uint8Array(0), ids: new Uint32Array(0), idWeights: new Float32Array(0) }
/** The largest number of bytes that is kept per kind. */
const KEPT = 4 << 20

/** Joins rows of one kind, in order. With `borrowed`, the result is valid only until the next such call. */
export function joined(parts: readonly Rows[], borrowed = false): Rows {
  const first = parts[0]!
  if (parts.length === 1) return first
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const buffers: Buffers = {}
  for (const kind of ['f32', 'u8', 'ids', 'idWeights'] as const) {
    if (first.buffers[kind] === undefined) continue
    const all = parts.map(part => part.buffers[kind]!)
    const length = all.reduce((sum, part) => sum + part.length, 0)
    const room = borrowed ? scratchOf(kind, length) : new makers[kind](length)
    ;(buffers as Record<string, Numbers>)[kind] = fill(room, all)
  }
  if (first.buffers.offsets !== undefined) {
    buffers.offsets = new Uint32Array(rows + 1)
    let [row, base] = [1, 0]
    for (const part of parts) {
      for (let at = 1; at <= part.rows; at++) buffers.offsets[row++] = base + part.buffers.offsets![at]!
      base += part.buffers.ids!.length
    }
  }
  const some = parts.some(part => part.contexts !== undefined)
  const contexts = some ? parts.flatMap(part => part.contexts ?? new Array<unknown>(part.rows).fill(undefined)) : undefined
  return { json: first.json, buffers, rows, contexts }
}

type Numbers = Float32Array | Uint8Array | Uint32Array

const makers = { f32: Float32Array, u8: Uint8Array, ids: Uint32Array, idWeights: Float32Array } as const

function scratchOf(kind: keyof typeof makers, length: number): Numbers {
  const Maker = makers[kind]
  if (length * Maker.BYTES_PER_ELEMENT > KEPT) return new Maker(length)
  if (scratch[kind].length < length) (scratch as Record<string, Numbers>)[kind] = new Maker(length)
  return scratch[kind].subarray(0, length)
}

function fill(all: Numbers, parts: readonly Numbers[]): Numbers {
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** The rows from `first` up to `end`, not copied. */
export function range({ json, buffers: { f32, u8, ids, offsets, idWeights }, rows, contexts }: Rows, first: number, end: number): Rows {
  const buffers: Buffers = {}
  const of = (length: number): [number, number] => [(length / rows) * first, (length / rows) * end]
  if (f32 !== undefined) buffers.f32 = f32.subarray(...of(f32.length))
  if (u8 !== undefined) buffers.u8 = u8.subarray(...of(u8.length))
  if (ids !== undefined && offsets === undefined) buffers.ids = ids.subarray(...of(ids.length))
  if (ids !== undefined && offsets !== undefined) {
    buffers.ids = ids.subarray(offsets[first], offsets[end])
    buffers.offsets = offsets.slice(first, end + 1).map(offset => offset - offsets[first]!)
    if (idWeights !== undefined) buffers.idWeights = idWeights.subarray(offsets[first], offsets[end])
  }
  return { json, buffers, rows: end - first, contexts: contexts?.slice(first, end) }
}

/** The rows at these positions, in this order. */
export function picked(all: Rows, places: readonly number[]): Rows {
  return joined(places.map(at => range(all, at, at + 1)))
}

/** A row of zeros, of the kind that a model takes. */
export function zeros(meaning: Meaning): Rows {
  const { shape, ids } = meaning
  const size = shape?.reduce((product, side) => product * side, 1)
  const inputs =
    size !== undefined ? new Float32Array(size) : ids?.length !== undefined ? new Uint32Array(ids.length) : { values: [0], offsets: [0, 1] }
  return { ...packInputs({ inputs }, meaning), rows: 1 }
}
