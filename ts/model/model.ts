/** The class `Model`: creates, loads, saves and evaluates a network, and predicts with it. */
import { orAbort } from '../abort.js'
import { json, plain, reading, refuse, signalOf, text, texts, whole, words } from '../read.js'
import { invalidInputs, rowText } from '../columns.js'
import { datasetOf, type Dataset, type Normalization } from '../dataset.js'
import { awaiting, calling, LimbeckError } from '../errors.js'
import type { InputColumns, Numbers } from '../inputs.js'
import type { ByteReading, Meaning } from '../meaning.js'
import type { Description, NativeModel, NativePrediction, NativeTokenizer } from '../native/contract.js'
import { isHandle, models, type kind, type ModelLike } from '../native/handles.js'
import { native } from '../native/load.js'
import type { GeneratorOptions, Metrics, ModelOptions, PretrainedOptions } from '../native/options.js'
import { encodingOf, inputsOf, meaningFor, predicted, prediction, type Prediction } from '../prediction.js'
import type { Evaluation } from '../report.js'
import type { ServeOptions } from '../serve/options.js'
import { inPieces, LARGE, largeOf } from '../serve/pieces.js'
import { copied, countOf, rowsOf, type Rows } from '../serve/rows.js'
import { Service } from '../serve/service.js'
import { limitOf, tokenizerFrom, tokenizerOf, type Tokenizer } from '../tokenizer.js'
import { generatorPlan, startFrom, truncateFrom } from './generator.js'
import { describe, modelOf } from './handle.js'
import { copyFrom, parametersOf, setParameter } from './parameters.js'
import type { CreateOptions, GeneratorPlan, ModelSummary, Parameter } from './types.js'

const createKeys = ['seed', 'inputNames', 'labelNames', 'normalization', 'tokenizer', 'maxTokens']

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
export class Model implements ModelLike {
  declare readonly [kind]: 'model'
  #known: Description | undefined
  /** The tokenizer of the description with this version. */
  #encoder: { version: number; handle: NativeTokenizer } | undefined

  private constructor(handle: NativeModel) {
    if (!isHandle(handle)) refuse('Model', 'Model.create(…) or await Model.load(…)', words('new Model(…)'))
    models.set(this, handle)
  }

  static {
    wrap = handle => new Model(handle)
  }

  /**
   * Creates a model from a preset or `{ layers, input }`, with start values as in PyTorch. They are drawn when they are first
   * needed. This does not block the event loop, except in the synchronous calls `predictSync`, `copyFrom` and the values of
   * `parameters`.
   */
  static create(options: ModelOptions, create: CreateOptions = {}): Model {
    const given = plain('', options)
    const misplaced = createKeys.find(key => given[key] !== undefined)
    if (misplaced !== undefined) {
      const message = `unknown key ${misplaced}; ${misplaced} belongs in the second argument, Model.create({ … }, { ${misplaced}: … })`
      throw new LimbeckError('ERR_LIMBECK_INVALID_CONFIG', misplaced, message)
    }
    const architecture = json('', given)
    const own = plain('options', create, createKeys)
    const seed = own.seed === undefined ? 0 : whole('seed', own.seed, 0)
    const names = own.labelNames === undefined ? undefined : texts('labelNames', own.labelNames)
    const normalization = own.normalization === undefined ? undefined : json('normalization', own.normalization)
    const columns = own.inputNames === undefined ? undefined : texts('inputNames', own.inputNames)
    const tokenizer = own.tokenizer === undefined ? undefined : tokenizerOf('tokenizer', own.tokenizer)
    const maxTokens = limitOf(own.maxTokens)
    if (maxTokens !== undefined && tokenizer === undefined) refuse('maxTokens', 'a tokenizer together with maxTokens', undefined)
    const handle = calling(() => native().NativeModel.create(architecture, seed))
    if (tokenizer !== undefined) calling(() => handle.setTokenizer(tokenizer, maxTokens))
    if (columns !== undefined) calling(() => handle.setInputNames(columns))
    if (names !== undefined) calling(() => handle.setLabelNames(names))
    if (normalization !== undefined) calling(() => handle.setPreprocessing(`{"normalization":${normalization}}`))
    return new Model(handle)
  }

  /**
   * Loads a model from a file. `architecture` is for files that contain only tensors, such as those of Hugging Face and
   * torchvision: the names of the tensors must be those of the layers.
   */
  static async load(path: string, architecture?: ModelOptions): Promise<Model> {
    const file = text('path', path)
    const given = architecture === undefined ? undefined : json('architecture', plain('architecture', architecture))
    const load = native().NativeModel
    return new Model(await awaiting(() => (given === undefined ? load.load(file) : load.load(file, given))))
  }

  /**
   * Reads a model from a folder of Hugging Face: `config.json`, safetensors files and, if it has them, `tokenizer.json` and the
   * files of sentence-transformers. Families: BERT (MiniLM, bge, e5, gte …), DistilBERT, RoBERTa, XLM-R. Without a head for
   * classes in the folder, the model returns the pooled vector of each text as its logits.
   *
   * ```ts
   * const teacher = await Model.fromPretrained('all-MiniLM-L6-v2')
   * const student = await Model.fromPretrained('all-MiniLM-L6-v2', { layers: [0, 2, 4], classes: 5 })
   * ```
   *
   * Tensors that the model does not need, and tensors that the folder lacks, are refused unless `allowUnused` or
   * `allowMissing` is set; `model.provenance` lists them, with notes about what differs from the original.
   */
  static async fromPretrained(folder: string, options: PretrainedOptions = {}): Promise<Model> {
    const path = text('folder', folder)
    const given = json('options', plain('options', options))
    return new Model(await awaiting(() => native().NativeModel.fromPretrained(path, given)))
  }

  /**
   * Writes one safetensors file: parameters, architecture, preprocessing, label names, tokenizer, provenance. An existing file is
   * replaced as a whole; missing folders are created.
   */
  async save(path: string): Promise<void> {
    const file = text('path', path)
    await awaiting(() => this.#handle().save(file))
  }

  /** The logits, probabilities and predicted class of each row. */
  async predict(columns: InputColumns, options: { signal?: AbortSignal } = {}): Promise<Prediction> {
    const { signal } = plain('options', options, ['signal'])
    const description = this.#remembered()
    const meaning = this.#meaning(description)
    const later = encodingOf(columns, meaning)
    const { json, buffers } = inputsOf(columns, meaning, later && (await later))
    const abort = signalOf('signal', signal)
    const handle = this.#handle()
    const count = countOf(json, buffers)
    const large = count > LARGE && count > largeOf(handle) ? rowsOf(json, buffers) : undefined
    const made = await orAbort(abort, () => (large === undefined ? predicted(() => handle.predict(json, buffers)) : predictLarge(handle, large, abort)))
    return prediction(made, description)
  }

  /** Does the same synchronously, for few rows. It throws for more rows, which would block the event loop. */
  predictSync(columns: InputColumns): Prediction {
    const description = this.#remembered()
    const { json, buffers } = inputsOf(columns, this.#meaning(description))
    try {
      return prediction(calling(() => this.#handle().predictSync(json, buffers)), description)
    } catch (error) {
      throw invalidInputs(error)
    }
  }

  /**
   * A service that collects concurrent `predict` calls into batches. It uses the parameters that this model has now. Training
   * or disposing of the model does not change the service; `service.swap(model)` does.
   */
  serve(options: ServeOptions = {}): Service {
    return new Service(this.#handle(), options)
  }

  /**
   * Evaluates the model on labelled rows, which count by their weights: accuracy, loss, further `metrics` by name and, with a
   * `teacher`, the share of rows on which both predict the same class.
   *
   * ```ts
   * const { accuracy, macroF1 } = await student.evaluate(test, { metrics: { macroF1: {}, calibrationError: { bins: 10 } } })
   * ```
   */
  async evaluate(data: Dataset, options: { teacher?: Model; metrics?: Metrics } = {}): Promise<Evaluation> {
    const { teacher, metrics } = plain('options', options, ['teacher', 'metrics'])
    const rows = datasetOf('data', data)
    const other = teacher === undefined ? undefined : modelOf('teacher', teacher)
    const more = metrics === undefined ? undefined : json('metrics', plain('metrics', metrics))
    return JSON.parse(await awaiting(() => this.#handle().evaluate(rows, other, more))) as Evaluation
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

  /** All tensors by name; the values of each are read when they are accessed. */
  parameters(): Parameter[] {
    return parametersOf(this.#handle())
  }

  /**
   * Replaces one tensor, for example an embedding by vectors from elsewhere. `name` is a name of `parameters()`; `values` are
   * as many finite numbers as its shape has, row after row. A run of this model replaces the tensor again at its end.
   */
  setParameter(name: string, values: Numbers): void {
    setParameter(this.#handle(), name, values)
  }

  /**
   * Copies parameters from another model: every tensor with the same name and shape, or those of `layers`, which maps names
   * of this model to names of the other. Returns the names of the copied tensors. Memory is shared until one of the models is
   * trained.
   */
  copyFrom(other: Model, options: { layers?: Readonly<Record<string, string>> } = {}): string[] {
    return copyFrom(this.#handle(), other, options)
  }

  /**
   * Shows which parameters of this student a generator would make from which parameters of a teacher, one row per parameter.
   * Nothing is changed. `text` is a table to print.
   */
  generatorPlan(teacher: Model, generator: GeneratorOptions = {}): GeneratorPlan {
    return generatorPlan(this.#handle(), teacher, generator)
  }

  /**
   * Sets the parameters to those that an untrained generator makes from a larger teacher, with random matrices drawn from
   * `seed` (default 0). `distillWeights` does the same and then trains the generator.
   */
  startFrom(teacher: Model, generator: GeneratorOptions = {}, start: { seed?: number } = {}): GeneratorPlan {
    return startFrom(this.#handle(), teacher, generator, start)
  }

  /**
   * Sets the parameters to sub-blocks of a larger teacher's: the first outputs and inputs of each layer and, if the teacher is
   * deeper, only its first layers. Rules of `generator` for single parameters have priority.
   */
  truncateFrom(teacher: Model, generator: GeneratorOptions = {}): GeneratorPlan {
    return truncateFrom(this.#handle(), teacher, generator)
  }

  /** Another model with the same parameters; memory is shared until one of them is trained. */
  clone(): Model {
    return new Model(calling(() => this.#handle().clone()))
  }

  /** The input of one row: sizes, or ids. */
  get input(): readonly number[] | { ids: { length?: number } } {
    return this.#describe().input
  }

  get classes(): number {
    return this.#describe().classes
  }

  /** All layers with all options: `Model.create(model.architecture)` creates a model of the same shape. */
  get architecture(): ModelOptions {
    return this.#describe().architecture as ModelOptions
  }

  /** One name per input column, if they are known. Rows whose columns are in another order are reordered to match. */
  get inputNames(): readonly string[] | undefined {
    return this.#describe().inputNames ?? undefined
  }

  /** One name per class, if they are known. */
  get labelNames(): readonly string[] | undefined {
    return this.#describe().labelNames ?? undefined
  }

  /** The tokenizer, if the inputs can be texts. */
  get tokenizer(): Tokenizer | undefined {
    const handle = calling(() => this.#handle().tokenizer())
    return handle ? tokenizerFrom(handle) : undefined
  }

  /** The largest number of tokens of a text, if there is a tokenizer and a limit. */
  get maxTokens(): number | undefined {
    return this.#describe().texts?.maxTokens ?? undefined
  }

  /** Sets the tokenizer, so that the inputs can be texts. `maxTokens` is by default what the model takes. */
  setTokenizer(tokenizer: Tokenizer, options: { maxTokens?: number } = {}): void {
    const { maxTokens } = plain('options', options, ['maxTokens'])
    const most = limitOf(maxTokens)
    const other = tokenizerOf('tokenizer', tokenizer)
    calling(() => this.#handle().setTokenizer(other, most))
  }

  get normalization(): Normalization | undefined {
    return this.#describe().preprocessing.normalization
  }

  /** How bytes were read in training, if the model was trained on bytes. `predict` reads bytes in the same way. */
  get byteReading(): ByteReading | undefined {
    return this.#describe().preprocessing.bytes
  }

  /** How this model was trained: library, method, options and steps. */
  get provenance(): unknown {
    return this.#describe().provenance ?? undefined
  }

  /** Native memory of the parameters, in bytes. */
  get bytes(): number {
    return this.#describe().bytes
  }

  /** Frees the native memory at once. Running jobs keep what they need. */
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

  /** The description, cached for frequent calls. */
  #remembered(): Description {
    if (this.#known?.version !== calling(() => this.#handle().version())) this.#known = this.#describe()
    return this.#known!
  }

  #describe(): Description {
    return describe(this.#handle())
  }

  #meaning(description: Description): Meaning {
    if (description.texts === null) return meaningFor(description)
    const { version } = description
    if (this.#encoder?.version !== version) this.#encoder = { version, handle: calling(() => this.#handle().tokenizer())! }
    return meaningFor(description, this.#encoder.handle)
  }
}

/** Uses the rows and the parameters at the time of the call, even if either changes before the last piece. */
async function predictLarge(handle: NativeModel, rows: Rows, signal: AbortSignal | undefined): Promise<NativePrediction> {
  const own = calling(() => handle.clone())
  try {
    return await inPieces(copied(rows), largeOf(handle), ({ json, buffers }) => predicted(() => own.predict(json, buffers)), signal)
  } finally {
    own.dispose()
  }
}

/** Wraps a native model. */
export function modelFrom(handle: NativeModel): Model {
  return wrap(handle)
}
