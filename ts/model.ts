/** A network with its parameters, held natively: made, trained, asked, kept in a file. */
import { floats } from './arrays.js'
import { packInputs, rowText } from './columns.js'
import type { InputColumns, Numbers } from './inputs.js'
import type { ByteReading } from './meaning.js'
import { json, list, plain, reading, refuse, signalOf, text, texts, whole, words } from './read.js'
import { Dataset, datasetOf, type Normalization } from './dataset.js'
import { orAbort } from './abort.js'
import { awaiting, calling } from './errors.js'
import type { NativeModel } from './native/contract.js'
import { isHandle, models } from './native/handles.js'
import { native } from './native/load.js'
import type { GeneratorOptions, ModelOptions } from './native/options.js'
import { meaningFor, prediction, type Description, type Prediction } from './prediction.js'
import type { Evaluation, Origin } from './report.js'
import type { ServeOptions } from './serve/options.js'
import { Service } from './serve/service.js'

export interface CreateOptions {
  /** The start values follow from it: a whole number. Default 0. */
  seed?: number
  /** One name per number of a row. Default: those of the data that the model is trained on. */
  inputNames?: readonly string[]
  /** One name per class, in the order of the labels. Default: those of the data, or the teacher, of its training. */
  labelNames?: readonly string[]
  /** What inputs are brought to before the first layer; kept in the model. `dataset.normalization()` computes it. */
  normalization?: Normalization
}

export interface LayerSummary {
  name: string
  kind: string
  /** Shape of one sample's output. */
  output: string
  /** Trainable numbers. */
  parameters: number
  multiplyAdds: number
}

export interface ModelSummary {
  input: string
  layers: LayerSummary[]
  /** Trainable numbers of all layers. */
  parameters: number
  /** Numbers that are kept but not trained: running statistics. */
  buffers: number
  /** Multiply-adds of one sample. */
  multiplyAdds: number
  output: string
  /** All of this as a table to print. */
  text: string
}

/** One parameter of a student, and what it is made from. */
export interface GeneratorPlanRow {
  student: string
  shape: number[]
  /** The teacher's parameters, in order; none where it starts anew. */
  teacher: string[]
  /** Of each of the teacher's. */
  teacherShape: number[]
  /** How it is made. */
  rule: 'full' | 'vector' | 'scaleShift' | 'project' | 'copy' | 'truncate' | 'fresh'
  /** Numbers of the student that are made. */
  numbers: number
  /** Numbers that are trained for it in phase 1. */
  trained: number
}

/** What a generator makes from what. */
export interface GeneratorPlan {
  rows: GeneratorPlanRow[]
  origin: Origin
  /** All of this as a table to print. */
  text: string
}

export interface Parameter {
  name: string
  shape: number[]
  /** Trained; otherwise kept beside, as running statistics are. */
  trainable: boolean
  /** A copy of its numbers. */
  values: Float32Array
}

let wrap: (handle: NativeModel) => Model

/**
 * A network with its parameters.
 *
 * ```ts
 * const student = Model.create({ convNet: { input: [1, 28, 28], channels: [8, 16], classes: 10 } }, { seed: 1 })
 * await student.save('student.safetensors')
 * const { labels, probabilities } = await student.predict({ inputs: oneImage })
 * ```
 */
export class Model {
  #known: Description | undefined

  private constructor(handle: NativeModel) {
    if (!isHandle(handle)) refuse('Model', 'Model.create(…) or await Model.load(…)', words('new Model(…)'))
    models.set(this, handle)
  }

  static {
    wrap = handle => new Model(handle)
  }

  /**
   * A fresh model with start values in PyTorch's manner: a preset, or `{ layers, input }`. They are drawn when they are
   * first needed, beside the event loop in all but the calls that give numbers at once: `predictSync`, `copyFrom` and the
   * values of `parameters`.
   */
  static create(options: ModelOptions, create: CreateOptions = {}): Model {
    const architecture = json('', plain('', options))
    const own = plain('options', create, ['seed', 'inputNames', 'labelNames', 'normalization'])
    const seed = own.seed === undefined ? 0 : whole('seed', own.seed, 0)
    const names = own.labelNames === undefined ? undefined : texts('labelNames', own.labelNames)
    const normalization = own.normalization === undefined ? undefined : json('normalization', own.normalization)
    const columns = own.inputNames === undefined ? undefined : texts('inputNames', own.inputNames)
    const handle = calling(() => native().NativeModel.create(architecture, seed))
    if (columns !== undefined) calling(() => handle.setInputNames(columns))
    if (names !== undefined) calling(() => handle.setLabelNames(names))
    if (normalization !== undefined) calling(() => handle.setPreprocessing(`{"normalization":${normalization}}`))
    return new Model(handle)
  }

  /**
   * The model of a file. `architecture` is for files that hold tensors alone, as those of Hugging Face and torchvision:
   * their names must be those of the layers.
   */
  static async load(path: string, architecture?: ModelOptions): Promise<Model> {
    const file = text('path', path)
    const given = architecture === undefined ? undefined : json('architecture', plain('architecture', architecture))
    const load = native().NativeModel
    return new Model(await awaiting(() => (given === undefined ? load.load(file) : load.load(file, given))))
  }

  /**
   * Writes one safetensors file: parameters, architecture, preprocessing, label names, provenance. Old or new, never a mix.
   * Folders that are missing are made.
   */
  async save(path: string): Promise<void> {
    const file = text('path', path)
    await awaiting(() => this.#handle().save(file))
  }

  /** Logits, probabilities and the largest class of each row. */
  async predict(columns: InputColumns, options: { signal?: AbortSignal } = {}): Promise<Prediction> {
    const { signal } = plain('options', options, ['signal'])
    const description = this.#remembered()
    const { json, buffers } = reading('inputs', () => packInputs(columns, meaningFor(description), ['inputs', 'inputNames']))
    const made = await orAbort(signalOf('signal', signal), () => awaiting(() => this.#handle().predict(json, buffers)))
    return prediction(made, description)
  }

  /** The same at once, for few rows: refused where it would hold up the event loop. */
  predictSync(columns: InputColumns): Prediction {
    const description = this.#remembered()
    const { json, buffers } = reading('inputs', () => packInputs(columns, meaningFor(description), ['inputs', 'inputNames']))
    return prediction(calling(() => this.#handle().predictSync(json, buffers)), description)
  }

  /**
   * A service that collects concurrent `predict` calls into batches. It answers with the parameters that this model has
   * now: training or disposing of the model changes nothing, `service.swap(model)` does.
   */
  serve(options: ServeOptions = {}): Service {
    return new Service(this.#handle(), options)
  }

  /** The model on rows whose answers are known; with a teacher also how often both agree. */
  async evaluate(data: Dataset, options: { teacher?: Model } = {}): Promise<Evaluation> {
    const { teacher } = plain('options', options, ['teacher'])
    const rows = datasetOf('data', data)
    const other = teacher === undefined ? undefined : modelOf('teacher', teacher)
    const found = await awaiting(() => (other ? this.#handle().evaluate(rows, other) : this.#handle().evaluate(rows)))
    return JSON.parse(found) as Evaluation
  }

  /** The logits of all rows, `[rows, classes]`, in the order of the data. */
  async logits(data: Dataset): Promise<Float32Array> {
    const rows = datasetOf('data', data)
    return awaiting(() => this.#handle().logits(rows))
  }

  /** Layers, shapes, parameters and multiply-adds; `text` is a table to print. */
  summary(): ModelSummary {
    return JSON.parse(calling(() => this.#handle().summary())) as ModelSummary
  }

  /** All tensors by name, each read when it is asked for. */
  parameters(): Parameter[] {
    const handle = this.#handle()
    const all = JSON.parse(calling(() => handle.parameters())) as Omit<Parameter, 'values'>[]
    return all.map(({ name, shape, trainable }) => ({
      name,
      shape,
      trainable,
      get values() {
        return calling(() => handle.parameter(name))
      },
    }))
  }

  /**
   * Replaces one tensor, such as an embedding by vectors from elsewhere. `name` is a name of `parameters()`; `values` are
   * as many finite numbers as its shape has, row after row. A run that is under way replaces it again at its end.
   */
  setParameter(name: string, values: Numbers): void {
    calling(() => this.#handle().setParameter(text('name', name), floats('values', values)))
  }

  /**
   * Starts from another model: every tensor of equal name and shape is copied, or those of `layers`, own name to the
   * other's. Gives the names of the tensors that were copied. Memory is shared until one of the models is trained.
   */
  copyFrom(other: Model, options: { layers?: Readonly<Record<string, string>> } = {}): string[] {
    const { layers } = plain('options', options, ['layers'])
    const map = layers === undefined ? {} : plain('layers', layers)
    const pairs = Object.entries(map).map(([own, theirs]) => [own, text(`layers.${own}`, theirs)])
    return calling(() => this.#handle().copyFrom(modelOf('other', other), JSON.stringify(pairs)))
  }

  /**
   * What a generator would make of this student from a teacher's parameters, before anything is trained: a row a
   * parameter. `text` is a table to print.
   */
  generatorPlan(teacher: Model, generator: GeneratorOptions = {}): GeneratorPlan {
    const options = json('generator', plain('generator', generator))
    return JSON.parse(calling(() => this.#handle().generatorPlan(modelOf('teacher', teacher), options))) as GeneratorPlan
  }

  /**
   * Starts from a bigger teacher as a generator begins, with random matrices between them that follow from `seed`.
   * `distillWeights` trains them; this alone is its start.
   */
  startFrom(teacher: Model, generator: GeneratorOptions = {}, start: { seed?: number } = {}): GeneratorPlan {
    const options = json('generator', plain('generator', generator))
    const own = plain('options', start, ['seed'])
    const seed = own.seed === undefined ? 0 : whole('seed', own.seed, 0)
    return JSON.parse(calling(() => this.#handle().startFrom(modelOf('teacher', teacher), options, seed))) as GeneratorPlan
  }

  /**
   * Starts from a sub-block of a bigger teacher's parameters: the first outputs and inputs of each layer, of the first
   * one where the teacher is deeper. What `generator` says of single parameters goes before it.
   */
  truncateFrom(teacher: Model, generator: GeneratorOptions = {}): GeneratorPlan {
    const own = plain('generator', generator) as GeneratorOptions
    const given = own.rules === undefined ? [] : (list('generator.rules', own.rules) as NonNullable<GeneratorOptions['rules']>)
    const rules = [{ student: '*', rule: { truncate: {} } }, ...given]
    return this.startFrom(teacher, { remainder: 'spread', ...own, rules })
  }

  /** Another model with the same parameters; memory is shared until one of them is trained. */
  clone(): Model {
    return new Model(calling(() => this.#handle().clone()))
  }

  /** What one row is: sizes, or ids. */
  get input(): readonly number[] | { ids: { length?: number } } {
    return this.#describe().input
  }

  get classes(): number {
    return this.#describe().classes
  }

  /** The layers in full: `Model.create(model.architecture)` makes such a model again. */
  get architecture(): ModelOptions {
    return this.#describe().architecture as ModelOptions
  }

  /** One name per number of a row, where they are known: rows of other orders are brought to this one. */
  get inputNames(): readonly string[] | undefined {
    return this.#describe().inputNames ?? undefined
  }

  /** One name per class, where they are known. */
  get labelNames(): readonly string[] | undefined {
    return this.#describe().labelNames ?? undefined
  }

  get normalization(): Normalization | undefined {
    return this.#describe().preprocessing.normalization
  }

  /** How the bytes were read that the model was trained on, if it was: `predict` reads bytes in the same way. */
  get byteReading(): ByteReading | undefined {
    return this.#describe().preprocessing.bytes
  }

  /** How this model came to be: library, method, options and steps of its training. */
  get provenance(): unknown {
    return this.#describe().provenance ?? undefined
  }

  /** Native memory of the parameters. */
  get bytes(): number {
    return this.#describe().bytes
  }

  /** Gives the native memory back at once. Running jobs keep what they need. */
  dispose(): void {
    this.#handle().dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** One line for `console.log`. @internal */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    if (!models.has(this)) return 'Model'
    try {
      const { input, classes, parameters } = this.#describe()
      return `Model { ${rowText(input)} → ${classes}, ${parameters.toLocaleString('en')} parameters }`
    } catch {
      return 'Model { disposed }'
    }
  }

  #handle(): NativeModel {
    return models.get(this)!
  }

  /** For calls that come often; it is never handed out. */
  #remembered(): Description {
    if (this.#known?.version !== calling(() => this.#handle().version())) this.#known = this.#describe()
    return this.#known!
  }

  #describe(): Description {
    return JSON.parse(calling(() => this.#handle().describe())) as Description
  }
}

/** The model of a native one. */
export function modelFrom(handle: NativeModel): Model {
  return wrap(handle)
}

/** The native side of a model that somebody passed. */
export function modelOf(path: string, value: unknown): NativeModel {
  const handle = typeof value === 'object' && value !== null ? models.get(value) : undefined
  return handle ?? refuse(path, 'a Model', value)
}
