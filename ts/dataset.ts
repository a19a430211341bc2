/** Rows in native memory: created once from typed arrays, split and selected without a copy. */
import { kindOfArray, naturals, still, takenOver, type TypedArray } from './arrays.js'
import { boolean, list, number, plain, reading, refuse, refuseData, whole, words } from './read.js'
import { columnKeys, type Columns, columnPath, encodedLater, packColumns, rowText } from './columns.js'
import type { Numbers } from './inputs.js'
import { type ColumnOptions, meaningOf } from './meaning.js'
import { awaiting, calling } from './errors.js'
import type { Buffers, NativeDataset, TeacherJson } from './native/contract.js'
import { datasets, isHandle } from './native/handles.js'
import { native } from './native/load.js'
import { BatchStream, type BatchSource } from './stream.js'
import { packLogits, packTopK, type TeacherLogits, type TeacherTopK } from './teacher-columns.js'

/** The normalization of inputs before the first layer, `(value − mean) / std`, with one entry per channel. */
export interface Normalization {
  mean: number[]
  std: number[]
}

export interface SplitOptions {
  /** The seed of the random split: an integer of at least 0. Default 0. */
  seed?: number
  /** Gives every part the class proportions of the whole. Default false. */
  stratify?: boolean
  /**
   * The group of each row, as a number or a string. All rows of a group (a patient, an author) go to the same part, so the
   * sizes of the parts are approximate.
   */
  groups?: Numbers | readonly (string | number)[]
}

interface Description {
  rows: number
  shape: number[] | null
  labels: 'none' | 'single' | 'several' | 'probabilities' | 'real'
  labelledRows: number
  classes: number | null
  inputNames: string[] | null
  labelNames: string[] | null
  hasTeacher: boolean
  teacherTopK: number | null
  bytes: number
}

/**
 * Rows for training and evaluation, held outside the JavaScript heap.
 *
 * ```ts
 * const digits = Dataset.from({ inputs: pixels, labels }, { inputs: [1, 28, 28], classes: 10 })
 * const [train, test] = digits.split([0.8, 0.2], { seed: 7 })
 * ```
 */
export class Dataset {
  readonly #known: Description

  private constructor(handle: NativeDataset) {
    if (!isHandle(handle)) refuse('Dataset', 'Dataset.from(…) or await Dataset.take(…)', words('new Dataset(…)'))
    datasets.set(this, handle)
    this.#known = JSON.parse(calling(() => handle.describe())) as Description
  }

  /**
   * Copies the columns, so later changes to the arrays have no effect. This blocks the event loop for about 2 ms per
   * megabyte, and for about 350 ms per megabyte of texts; for large data, use `take`.
   */
  static from(columns: Columns, options: ColumnOptions = {}): Dataset {
    const { json, buffers } = reading('columns', () => packColumns(columns, meaningOf(options)))
    return new Dataset(calling(() => native().NativeDataset.create(json, buffers), columnPath))
  }

  /**
   * Does the same without blocking the event loop: it transfers the memory of the typed arrays, which are empty afterwards,
   * and copies it natively. `Float32Array`, `Uint8Array` and `Uint32Array` are transferred as they are; other values are
   * first converted to one of these, which blocks. Texts are encoded outside the event loop.
   */
  static async take(columns: Columns, options: ColumnOptions = {}): Promise<Dataset> {
    const { own, meaning, later } = reading('columns', () => {
      const own = plain('columns', columns, columnKeys)
      const meaning = meaningOf(options)
      return { own, meaning, later: encodedLater(own, meaning) }
    })
    const encoded = later && (await later)
    const { json, buffers } = reading('columns', () => packColumns(own, meaning, encoded))
    const taken = takenOver(buffers)
    return new Dataset(await awaiting(() => native().NativeDataset.take(json, taken), columnPath))
  }

  /**
   * A stream of batches, for data that is generated or does not fit into memory. `source` is an async iterable of columns,
   * or a function that returns one and is called again in each epoch.
   */
  static stream(source: BatchSource, options: ColumnOptions = {}): BatchStream {
    return reading('data', () => new BatchStream(source, meaningOf(options)))
  }

  /** Splits the rows at random into parts of these fractions, whose sum is at most 1. Nothing is copied. */
  split<const Fractions extends readonly number[]>(
    fractions: Fractions,
    options: SplitOptions = {},
  ): { -readonly [Part in keyof Fractions]: Dataset } {
    const parts = list('fractions', fractions).map((part, index) => number(`fractions[${index}]`, part))
    const { seed = 0, stratify = false, groups } = plain('options', options, ['seed', 'stratify', 'groups'])
    if (groups !== undefined && stratify !== false) refuse('stratify', 'false together with groups', stratify)
    const json = JSON.stringify({
      fractions: parts,
      seed: whole('seed', seed, 0),
      stratify: boolean('stratify', stratify),
    })
    const of = groups === undefined ? undefined : reading('groups', () => groupsOf('groups', groups))
    const made = calling(() => (of === undefined ? this.#handle().split(json) : this.#handle().split(json, of))).map(part => new Dataset(part))
    return made as { -readonly [Part in keyof Fractions]: Dataset }
  }

  /** The rows at these positions, in this order, each at most once. Nothing is copied. */
  select(positions: Numbers): Dataset {
    const rows = reading('indices', () => naturals('indices', positions))
    return new Dataset(calling(() => this.#handle().select(rows)))
  }

  /** The same rows with a teacher's logits, which are matched to the rows by sample id. */
  withTeacherLogits(answers: Numbers | readonly Numbers[] | TeacherLogits): Dataset {
    return this.#withTeacher('teacherLogits', buffers => packLogits(answers, this.rows, buffers))
  }

  /** The same rows with only a teacher's largest logits, k per row, which are matched to the rows by sample id. */
  withTeacherTopK(answers: TeacherTopK): Dataset {
    return this.#withTeacher('teacherTopK', buffers => packTopK(answers, this.rows, buffers))
  }

  #withTeacher(path: string, pack: (buffers: Buffers) => TeacherJson): Dataset {
    const buffers: Buffers = {}
    const json = JSON.stringify(reading(path, () => pack(buffers)))
    return new Dataset(calling(() => this.#handle().withTeacher(json, buffers)))
  }

  get rows(): number {
    return this.#known.rows
  }

  /** The shape of one row; undefined if rows have different numbers of ids. */
  get shape(): readonly number[] | undefined {
    return this.#known.shape ?? undefined
  }

  /** The number of rows with a label. A student can learn from the others only through a teacher. */
  get labelledRows(): number {
    return this.#known.labelledRows
  }

  /** The kind of the labels; `none` if no row has one. */
  get labels(): 'none' | 'single' | 'several' | 'probabilities' | 'real' {
    return this.#known.labels
  }

  /** The number of classes, if the labels are classes. */
  get classes(): number | undefined {
    return this.#known.classes ?? undefined
  }

  /** One name per input column, if they are known. */
  get inputNames(): readonly string[] | undefined {
    return this.#known.inputNames ?? undefined
  }

  /** One name per class, if they are known. */
  get labelNames(): readonly string[] | undefined {
    return this.#known.labelNames ?? undefined
  }

  /** Whether the rows have a teacher's logits for all classes. */
  get hasTeacherLogits(): boolean {
    return this.#known.hasTeacher
  }

  /** The number of a teacher's largest logits per row; undefined if the rows have no column `teacherTopK`. */
  get teacherTopK(): number | undefined {
    return this.#known.teacherTopK ?? undefined
  }

  /** Native memory of the columns in bytes; parts of one data set share it. */
  get bytes(): number {
    return this.#known.bytes
  }

  /** The mean and standard deviation of each channel, for the option `normalization` of `Model.create`. */
  async normalization(): Promise<Normalization> {
    return JSON.parse(await awaiting(() => this.#handle().normalization())) as Normalization
  }

  /** Frees the native memory at once. Parts and running jobs keep what they need. */
  dispose(): void {
    this.#handle().dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** One line for `console.log`. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    if (!datasets.has(this)) return 'Dataset'
    const { rows, shape, labels, classes } = this.#known
    return `Dataset { ${rows.toLocaleString('en')} rows of ${rowText(shape)}, ${labels === 'none' ? 'no' : labels} labels${classes === null ? '' : `, ${classes} classes`} }`
  }

  #handle(): NativeDataset {
    return datasets.get(this)!
  }
}

/** The group number of each row; groups are numbered in the order of their first rows. */
function groupsOf(path: string, groups: unknown): Uint32Array {
  const codes = new Map<unknown, number>()
  const each = kindOfArray(groups) === undefined ? list(path, groups) : Array.from(still(path, groups as TypedArray))
  return Uint32Array.from(each, (group, row) => {
    const known = typeof group === 'string' || (typeof group === 'number' && !Number.isNaN(group))
    if (!known) refuseData(`${path}[${row}]`, 'a number or a string', group)
    const code = codes.get(group) ?? codes.size
    codes.set(group, code)
    return code
  })
}

/** The native side of a data set that a caller passed. */
export function datasetOf(path: string, value: unknown): NativeDataset {
  const handle = typeof value === 'object' && value !== null ? datasets.get(value) : undefined
  return handle ?? refuse(path, 'a Dataset', value)
}
