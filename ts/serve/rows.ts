/** Inputs of a service's calls: counted and copied at the door, put together to a batch, picked out of one. */
import { packInputs, type Meaning } from '../columns.js'
import type { Buffers, ColumnsJson } from '../native/contract.js'

/** Inputs as they cross, in memory of their own. Those of equal `json` can be put together. */
export interface Rows {
  json: string
  buffers: Buffers
  rows: number
}

/** What a caller passed. Nothing where it is no whole number of good rows: the native side knows how to say what is wrong. */
export function rowsOf(json: string, buffers: Buffers): Rows | undefined {
  const { f32, u8, ids, offsets } = buffers
  if (f32 !== undefined && !finite(f32)) return undefined
  const values = f32 ?? u8 ?? ids
  const rows = offsets === undefined ? (values?.length ?? 0) / numbersOf(json) : raggedRows(offsets, ids!)
  return Number.isSafeInteger(rows) && rows > 0 ? { json, buffers, rows } : undefined
}

function finite(values: Float32Array): boolean {
  for (let at = 0; at < values.length; at++) if (!Number.isFinite(values[at])) return false
  return true
}

/** A copy: the caller may write into its arrays as soon as the call has returned. */
export function copied({ json, buffers, rows }: Rows): Rows {
  const own: Buffers = {}
  if (buffers.f32 !== undefined) own.f32 = buffers.f32.slice()
  if (buffers.u8 !== undefined) own.u8 = buffers.u8.slice()
  if (buffers.ids !== undefined) own.ids = buffers.ids.slice()
  if (buffers.offsets !== undefined) own.offsets = buffers.offsets.slice()
  return { json, buffers: own, rows }
}

const counts = new Map<string, number>()

/** Numbers of one row of equal length. */
function numbersOf(json: string): number {
  const known = counts.get(json)
  if (known !== undefined) return known
  const { inputs } = JSON.parse(json) as ColumnsJson
  const size =
    'ids' in inputs
      ? inputs.ids.length
      : ('f32' in inputs ? inputs.f32.shape : 'u8' in inputs ? inputs.u8.shape : []).reduce((product, side) => product * side, 1)
  // There are as many as there are kinds of inputs of models that serve.
  if (counts.size > 100) counts.clear()
  counts.set(json, size)
  return size
}

function raggedRows(offsets: Uint32Array, ids: Uint32Array): number {
  const rising = offsets.every((offset, row) => row === 0 || offset >= offsets[row - 1]!)
  return rising && offsets[0] === 0 && offsets.at(-1) === ids.length ? offsets.length - 1 : NaN
}

/** All rows, in order. They are of one kind. */
export function joined(parts: readonly Rows[]): Rows {
  const first = parts[0]!
  if (parts.length === 1) return first
  const rows = parts.reduce((sum, part) => sum + part.rows, 0)
  const buffers: Buffers = {}
  const { f32, u8, ids, offsets } = first.buffers
  if (f32 !== undefined) buffers.f32 = fill(new Float32Array(rows * (f32.length / first.rows)), parts.map(part => part.buffers.f32!))
  if (u8 !== undefined) buffers.u8 = fill(new Uint8Array(rows * (u8.length / first.rows)), parts.map(part => part.buffers.u8!))
  if (ids !== undefined) {
    const all = parts.map(part => part.buffers.ids!)
    buffers.ids = fill(new Uint32Array(all.reduce((sum, part) => sum + part.length, 0)), all)
  }
  if (offsets !== undefined) {
    buffers.offsets = new Uint32Array(rows + 1)
    let [row, base] = [1, 0]
    for (const part of parts) {
      for (let at = 1; at <= part.rows; at++) buffers.offsets[row++] = base + part.buffers.offsets![at]!
      base += part.buffers.ids!.length
    }
  }
  return { json: first.json, buffers, rows }
}

function fill<Numbers extends Float32Array | Uint8Array | Uint32Array>(all: Numbers, parts: readonly Numbers[]): Numbers {
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** One row of them, not copied. */
function row({ json, buffers: { f32, u8, ids, offsets }, rows }: Rows, at: number): Rows {
  const buffers: Buffers = {}
  const of = (length: number): [number, number] => [(length / rows) * at, (length / rows) * (at + 1)]
  if (f32 !== undefined) buffers.f32 = f32.subarray(...of(f32.length))
  if (u8 !== undefined) buffers.u8 = u8.subarray(...of(u8.length))
  if (ids !== undefined && offsets === undefined) buffers.ids = ids.subarray(...of(ids.length))
  if (ids !== undefined && offsets !== undefined) {
    buffers.ids = ids.subarray(offsets[at], offsets[at + 1])
    buffers.offsets = Uint32Array.of(0, buffers.ids.length)
  }
  return { json, buffers, rows: 1 }
}

/** Some of them, in this order. */
export function picked(all: Rows, places: readonly number[]): Rows {
  return joined(places.map(at => row(all, at)))
}

/** A row of zeros, of the kind that a model takes. */
export function zeros(meaning: Meaning): Rows {
  const { shape, ids } = meaning
  const size = shape?.reduce((product, side) => product * side, 1)
  const inputs =
    size !== undefined ? new Float32Array(size) : ids?.length !== undefined ? new Uint32Array(ids.length) : { values: [0], offsets: [0, 1] }
  return { ...packInputs({ inputs }, meaning), rows: 1 }
}
