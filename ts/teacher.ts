/** Teachers that are functions, such as a call to an HTTP API. */
import { orAbort } from './abort.js'
import { floats, isFlat, matrix, rowsIn } from './arrays.js'
import { plain, reading, refuse, whole } from './read.js'
import type { Numbers } from './inputs.js'
import { calling, LimbeckError } from './errors.js'
import type { NativeDataset } from './native/contract.js'

/** Rows for which a teacher returns logits. */
export interface TeacherBatch {
  rows: number
  /** Numbers `[rows, …shape]` as they are in the data, with bytes already scaled; or ids. */
  inputs: Float32Array | Uint32Array
  /** The shape of one row; undefined if rows have different numbers of ids. */
  shape: readonly number[] | undefined
  /** If rows have different numbers of ids: row `r` has `inputs[offsets[r]] … inputs[offsets[r + 1] - 1]`. */
  offsets?: Uint32Array
  /** The weight of each of these ids, if the data have any. */
  weights?: Float32Array
  /** The sample id of each row. */
  ids: Float64Array
  signal: AbortSignal | undefined
  /** In a service: for each row, the `context` of its call; missing if no call had one. */
  contexts?: readonly unknown[]
}

/** Logits of each row of a batch, `[rows, classes]`. */
export type Answer = (batch: TeacherBatch) => Promise<Numbers | readonly Numbers[]> | Numbers | readonly Numbers[]

export interface TeacherOptions {
  /** The largest number of rows per call. Default 64. */
  batchSize?: number
  /** Called after each batch with the number of rows that are done. */
  onProgress?: (progress: { rows: number; of: number }) => void
}

/**
 * A teacher that is a function. Before training it is called in batches, once for every row. Its logits are kept by sample
 * id as long as both the teacher and the data exist.
 *
 * ```ts
 * const teacher = Teacher.fromFunction(async ({ inputs, rows }) => askMyServer(inputs, rows), { batchSize: 32 })
 * ```
 */
export class Teacher {
  readonly #answers = new WeakMap<NativeDataset, NativeDataset>()
  readonly #answer: Answer
  readonly #batchSize: number
  readonly #onProgress: TeacherOptions['onProgress']

  private constructor(answer: Answer, batchSize: number, onProgress: TeacherOptions['onProgress']) {
    this.#answer = answer
    this.#batchSize = batchSize
    this.#onProgress = onProgress
  }

  /** A teacher that calls `answer`, which returns logits, `[rows, classes]`, for a batch of rows. */
  static fromFunction(answer: Answer, options: TeacherOptions = {}): Teacher {
    if (typeof answer !== 'function') refuse('teacher', 'a function', answer)
    const { batchSize = 64, onProgress } = plain('options', options, ['batchSize', 'onProgress'])
    if (onProgress !== undefined && typeof onProgress !== 'function') refuse('onProgress', 'a function', onProgress)
    return new Teacher(answer, whole('batchSize', batchSize, 1), onProgress as TeacherOptions['onProgress'])
  }

  /** Logits of rows that are in no data set. @internal */
  async answer(batch: TeacherBatch): Promise<{ values: Float32Array; width: number }> {
    const answer = await orAbort(batch.signal, async () => this.#answer(batch))
    return reading('teacher', () => answered(answer, batch.rows))
  }

  /** The largest number of rows per call. @internal */
  get batchSize(): number {
    return this.#batchSize
  }

  /** The data with this teacher's logits as a column. @internal */
  async answering(data: NativeDataset, signal: AbortSignal | undefined): Promise<NativeDataset> {
    const known = this.#answers.get(data)
    if (known !== undefined) return known
    const rows = calling(() => data.rows())
    const ids = new Float64Array(rows)
    let logits = new Float32Array(0)
    let classes = 0
    for (let first = 0; first < rows; first += this.#batchSize) {
      const positions = Uint32Array.from({ length: Math.min(this.#batchSize, rows - first) }, (_, row) => first + row)
      const batch = asked(data, positions, signal)
      ids.set(batch.ids, first)
      const { values, width } = await this.answer(batch)
      if (first === 0) {
        classes = width
        logits = new Float32Array(rows * classes)
      } else if (width !== classes) {
        const message = `expected ${classes} logits per row, as in its first batch, got ${width}`
        throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', 'teacher', message)
      }
      logits.set(values, first * classes)
      this.#onProgress?.({ rows: first + batch.rows, of: rows })
    }
    const made = calling(
      () => data.withTeacher(JSON.stringify({ width: classes }), { teacher: logits, teacherIds: ids }),
      path => path.replace(/^teacherLogits/, 'teacher'),
    )
    this.#answers.set(data, made)
    return made
  }
}

function asked(data: NativeDataset, positions: Uint32Array, signal: AbortSignal | undefined): TeacherBatch {
  const raw = calling(() => data.batch(positions))
  return {
    rows: positions.length,
    inputs: raw.f32 ?? raw.ids ?? new Uint32Array(0),
    shape: raw.offsets === undefined || raw.offsets === null ? raw.shape : undefined,
    ...(raw.offsets && { offsets: raw.offsets }),
    ...(raw.idWeights && { weights: raw.idWeights }),
    ids: raw.sampleIds,
    signal,
  }
}

function answered(answer: unknown, rows: number): { values: Float32Array; width: number } {
  if (answer === undefined || answer === null) refuse('teacher', 'logits from the function', answer, 'ERR_LIMBECK_INVALID_DATA')
  if (isFlat(answer)) {
    const values = floats('teacher', answer)
    return { values, width: rowsIn('teacher', values.length, rows) }
  }
  const made = matrix('teacher', answer)
  if (made.rows === rows) return made
  throw new LimbeckError('ERR_LIMBECK_INVALID_DATA', 'teacher', `expected logits of ${rows} rows, got ${made.rows}`)
}
