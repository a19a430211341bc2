/** The second model of a service, used by shadow and fallback: a model, an ensemble or a function behind one interface. */
import { awaiting, calling, LimbeckError } from '../errors.js'
import { describe } from '../model/handle.js'
import type { ColumnsJson, Description, Lane, NativePrediction } from '../native/contract.js'
import { ensembles, models } from '../native/handles.js'
import { Teacher, type Answer, type TeacherBatch } from '../teacher.js'
import { hasSeveralLabels, mustFit } from './fits.js'
import { inPieces, LARGE, largeOf } from './pieces.js'
import { copied, range, type Rows } from './rows.js'

export interface Second {
  ask(rows: Rows, lane: Lane, signal: AbortSignal): Promise<NativePrediction>
  /** Frees its memory. */
  release(): void
}

/** Wraps a model, an ensemble or a function; undefined for any other value. */
export function secondOf(path: string, given: unknown, own: Description): Second | undefined {
  if (typeof given === 'function') return teacher(Teacher.fromFunction(given as Answer), own)
  if (typeof given !== 'object' || given === null) return undefined
  const model = models.get(given)
  if (model !== undefined) {
    mustFit(path, describe(model), own, 'where both have some')
    // A copy: it predicts as it is now, even if the model that was passed is trained or disposed of.
    const handle = calling(() => model.clone())
    return { ask: (rows, lane, signal) => inPieces(rows, largeOf(handle), ({ json, buffers }) => awaiting(() => handle.predict(json, buffers, lane)), signal), release: () => handle.dispose() }
  }
  const ensemble = ensembles.get(given)
  if (ensemble !== undefined) {
    mustFit(path, ensemble.description, own, 'where both have some')
    return { ask: (rows, lane, signal) => inPieces(rows, LARGE, ({ json, buffers }) => awaiting(() => ensemble.handle.predict(json, buffers, lane)), signal), release: () => {} }
  }
  return given instanceof Teacher ? teacher(given, own) : undefined
}

function teacher(asked: Teacher, own: Description): Second {
  const { classes } = own
  let seen = 0
  return {
    async ask(all, _lane, signal) {
      const logits = new Float32Array(all.rows * classes)
      for (let first = 0; first < all.rows; first += asked.batchSize) {
        const count = Math.min(asked.batchSize, all.rows - first)
        const part = copied(range(all, first, first + count))
        const { values, width } = await asked.answer(batchOf(part, seen, signal))
        if (width !== classes) {
          const message = `expected ${classes} logits per row, like the serving model, got ${width}`
          throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', 'teacher', message)
        }
        logits.set(values, first * classes)
        seen += count
      }
      return predictionOf(logits, all.rows, classes, hasSeveralLabels(own) ?? false)
    },
    release: () => {},
  }
}

/** The rows as a batch for a function. Their ids count the rows since the start, from 0. */
function batchOf({ json, buffers, rows, contexts }: Rows, seen: number, signal: AbortSignal): TeacherBatch {
  const { inputs } = JSON.parse(json) as ColumnsJson
  const ids = Float64Array.from({ length: rows }, (_, row) => seen + row)
  const all = { rows, ids, signal, ...(contexts && { contexts }) }
  if ('f32' in inputs) return { ...all, inputs: buffers.f32!, shape: inputs.f32.shape }
  if ('u8' in inputs) {
    const { shape, scale, offset } = inputs.u8
    return { ...all, inputs: Float32Array.from(buffers.u8!, byte => byte * scale + offset), shape }
  }
  if ('ids' in inputs) return { ...all, inputs: buffers.ids!, shape: [inputs.ids.length] }
  return { ...all, inputs: buffers.ids!, offsets: buffers.offsets!, ...(buffers.idWeights && { weights: buffers.idWeights }), shape: undefined }
}

/** The prediction for these logits. The softmax, or the sigmoids of a multi-label model, are computed in double precision. */
function predictionOf(logits: Float32Array, rows: number, classes: number, several: boolean): NativePrediction {
  const probabilities = new Float32Array(rows * classes)
  const labels = new Uint32Array(rows)
  for (let row = 0; row < rows; row++) {
    const from = row * classes
    let best = from
    for (let at = from; at < from + classes; at++) if (logits[at]! > logits[best]!) best = at
    labels[row] = best - from
    if (several) {
      for (let at = from; at < from + classes; at++) probabilities[at] = 1 / (1 + Math.exp(-logits[at]!))
      continue
    }
    let sum = 0
    for (let at = from; at < from + classes; at++) sum += Math.exp(logits[at]! - logits[best]!)
    for (let at = from; at < from + classes; at++) probabilities[at] = Math.exp(logits[at]! - logits[best]!) / sum
  }
  return { rows, classes, logits, probabilities, labels }
}
