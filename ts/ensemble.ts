/** Several models that answer as one: the mean of what each of them holds to be probable. */
import { list, number, plain, reading, refuse, signalOf, words } from './read.js'
import { orAbort } from './abort.js'
import { packInputs } from './columns.js'
import type { InputColumns } from './inputs.js'
import type { ByteReading } from './meaning.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting, calling } from './errors.js'
import { modelOf, type Model } from './model.js'
import type { NativeEnsemble } from './native/contract.js'
import { ensembles, isHandle } from './native/handles.js'
import { native } from './native/load.js'
import { meaningFor, prediction, type Description, type Prediction } from './prediction.js'
import type { Evaluation } from './report.js'

/** What the models of an ensemble know together. */
interface Signature {
  inputNames: string[] | null
  labelNames: string[] | null
  bytes: ByteReading | null
}

/**
 * Models of one width of output, all of one label a row or all of several. It keeps the parameters that they have when it is made.
 *
 * ```ts
 * const both = Ensemble.of([first, second], { weights: [2, 1] })
 * const { labels } = await both.predict({ inputs })
 * ```
 */
export class Ensemble {
  readonly #handle: NativeEnsemble
  readonly #known: Pick<Description, 'input' | 'inputNames' | 'labelNames' | 'preprocessing'>

  private constructor(
    handle: NativeEnsemble,
    /** Its models, in their order. */
    readonly models: readonly Model[],
  ) {
    if (!isHandle(handle)) refuse('Ensemble', 'Ensemble.of(…)', words('new Ensemble(…)'))
    this.#handle = handle
    ensembles.set(this, handle)
    const { inputNames, labelNames, bytes } = JSON.parse(calling(() => handle.describe())) as Signature
    const input = models[0]!.input as Description['input']
    this.#known = { input, inputNames, labelNames, preprocessing: bytes === null ? {} : { bytes } }
  }

  /** `weights` say how much each model counts, in relation to each other. Default: the same. */
  static of(models: readonly Model[], options: { weights?: readonly number[] } = {}): Ensemble {
    const handles = list('models', models).map((model, at) => modelOf(`models[${at}]`, model))
    const { weights } = plain('options', options, ['weights'])
    const shares = weights === undefined ? undefined : list('weights', weights).map((weight, at) => number(`weights[${at}]`, weight))
    if (shares !== undefined && shares.length !== handles.length) refuse('weights', `${handles.length} numbers, one a model`, shares.length)
    const { NativeEnsemble } = native()
    const handle = calling(() => (shares === undefined ? new NativeEnsemble(handles) : new NativeEnsemble(handles, shares)))
    return new Ensemble(handle, [...models])
  }

  /** The mean probabilities, their logits (of one label a row their logarithms), and the largest class of each row. */
  async predict(columns: InputColumns, options: { signal?: AbortSignal } = {}): Promise<Prediction> {
    const { signal } = plain('options', options, ['signal'])
    const { json, buffers } = reading('inputs', () => packInputs(columns, meaningFor(this.#known), ['inputs', 'inputNames']))
    const made = await orAbort(signalOf('signal', signal), () => awaiting(() => this.#handle.predict(json, buffers)))
    return prediction(made, this.#known)
  }

  /** The ensemble on rows whose answers are known. */
  async evaluate(data: Dataset): Promise<Evaluation> {
    const rows = datasetOf('data', data)
    return JSON.parse(await awaiting(() => this.#handle.evaluate(rows))) as Evaluation
  }

  /** Logits of the mean probabilities of all rows, `[rows, classes]`, in the order of the data: a teacher's answers. */
  async logits(data: Dataset): Promise<Float32Array> {
    const rows = datasetOf('data', data)
    return awaiting(() => this.#handle.logits(rows))
  }
}
