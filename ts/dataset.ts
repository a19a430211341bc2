/** Rows held natively: made once from typed arrays, split and selected without a copy. */
import { kindOfArray, naturals, still, takenOver, type TypedArray } from './arrays.js'
import { boolean, list, number, plain, reading, refuse, refuseData, whole, words } from './read.js'
import { type Columns, columnPath, packColumns, rowText } from './columns.js'
import type { Numbers } from './inputs.js'
import { type ColumnOptions, meaningOf } from './meaning.js'
import { awaiting, calling } from './errors.js'
import type { Buffers, NativeDataset, TeacherJson } from './native/contract.js'
import { datasets, isHandle } from './native/handles.js'
import { native } from './native/load.js'
import { BatchStream, type BatchSource } from './stream.js'
import { packLogits, packTopK, type TeacherLogits, type TeacherTopK } from './teacher-columns.js'

/** What inputs are brought to before the first layer: `(value − mean) / std`, for each channel. */
export interface Normalization {
  mean: number[]
  std: number[]
}

export interface SplitOptions {
  /** Which rows go where follows from it: a whole number. Default 0. */
  seed?: number
  /** Keeps the shares of the classes in every part. Default false. */
  stratify?: boolean
  /**
   * A group for each row, as a number or a text: the rows of one group (a patient, an author) stay in one part. Parts
   * are then of about the size that was asked for.
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
 * Rows to learn from, held outside JavaScript's heap.
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
   * Copies the columns; what happens to the arrays afterwards changes nothing. Copied and checked at once: the event
   * loop waits about 2 ms a megabyte. For more, `take` does it beside the event loop.
   */
  static from(columns: Columns, options: ColumnOptions = {}): Dataset {
    const { json, buffers } = reading('columns', () => packColumns(columns, meaningOf(options)))
    return new Dataset(calling(() => native().NativeDataset.create(json, buffers), columnPath))
  }

  /**
   * The same beside the event loop: takes the memory of the typed arrays over, which are empty from then on, and copies
   * it natively. `Float32Array`, `Uint8Array` and `Uint32Array` cross as they are; all else is first turned into one of
   * them, at once.
   */
  static async take(columns: Columns, options: ColumnOptions = {}): Promise<Dataset> {
    const { json, buffers } = reading('columns', () => packColumns(columns, meaningOf(options)))
    const taken = takenOver(buffers)
    return new Dataset(await awaiting(() => native().NativeDataset.take(json, taken), columnPath))
  }

  /**
   * Batches that come one after the other, for data that is made or does not fit into memory: `source` is an async
   * iterable of columns, or a function that makes one, which can be read again in each epoch.
   */
  static stream(source: BatchSource, options: ColumnOptions = {}): BatchStream {
    return reading('data', () => new BatchStream(source, meaningOf(options)))
  }

  /** Parts of these sizes, at random: fractions that sum up to at most 1. Nothing is copied. */
  split<const Fractions extends readonly number[]>(
    fractions: Fractions,
    options: SplitOptions = {},
  ): { -readonly [Part in keyof Fractions]: Dataset } {
    const parts = list('fractions', fractions).map((part, index) => number(`fractions[${index}]`, part))
    const { seed = 0, stratify = false, groups } = plain('options', options, ['seed', 'stratify', 'groups'])
    if (groups !== undefined && stratify !== false) refuse('stratify', 'none together with groups', stratify)
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

  /** The same rows with a teacher's logits: each answer is found by the id of its row. */
  withTeacherLogits(answers: Numbers | readonly Numbers[] | TeacherLogits): Dataset {
    return this.#withTeacher('teacherLogits', buffers => packLogits(answers, this.rows, buffers))
  }

  /** The same rows with a teacher's largest logits alone, k per row: each answer is found by the id of its row. */
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

  /** The shape of one row; nothing where rows are ids of different count. */
  get shape(): readonly number[] | undefined {
    return this.#known.shape ?? undefined
  }

  /** How many rows have a label: the others are there for what a teacher says of them. */
  get labelledRows(): number {
    return this.#known.labelledRows
  }

  /** What the labels are; none where no row has one. */
  get labels(): 'none' | 'single' | 'several' | 'probabilities' | 'real' {
    return this.#known.labels
  }

  /** The count of classes, where labels are classes. */
  get classes(): number | undefined {
    return this.#known.classes ?? undefined
  }

  /** One name per number of a row, where they are known. */
  get inputNames(): readonly string[] | undefined {
    return this.#known.inputNames ?? undefined
  }

  /** One name per class, where they are known. */
  get labelNames(): readonly string[] | undefined {
    return this.#known.labelNames ?? undefined
  }

  /** Whether the rows have a teacher's logits of all classes. */
  get hasTeacherLogits(): boolean {
    return this.#known.hasTeacher
  }

  /** How many of a teacher's largest logits each row has, where the rows have them. */
  get teacherTopK(): number | undefined {
    return this.#known.teacherTopK ?? undefined
  }

  /** Native memory of the columns; parts of one data set share it. */
  get bytes(): number {
    return this.#known.bytes
  }

  /** Mean and standard deviation of each channel: what `Model.create` takes as `normalization`. */
  async normalization(): Promise<Normalization> {
    return JSON.parse(await awaiting(() => this.#handle().normalization())) as Normalization
  }

  /** Gives the native memory back at once. Parts and running jobs keep what they need. */
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

/** A number for each group, in the order of their first rows. */
function groupsOf(path: string, groups: unknown): Uint32Array {
  const codes = new Map<unknown, number>()
  const each = kindOfArray(groups) === undefined ? list(path, groups) : Array.from(still(path, groups as TypedArray))
  return Uint32Array.from(each, (group, row) => {
    const known = typeof group === 'string' || (typeof group === 'number' && !Number.isNaN(group))
    if (!known) refuseData(`${path}[${row}]`, 'a number or a text', group)
    const code = codes.get(group) ?? codes.size
    codes.set(group, code)
    return code
  })
}

/** The native side of a data set that somebody passed. */
export function datasetOf(path: string, value: unknown): NativeDataset {
  const handle = typeof value === 'object' && value !== null ? datasets.get(value) : undefined
  return handle ?? refuse(path, 'a Dataset', value)
}
