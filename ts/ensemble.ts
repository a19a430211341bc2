/** Several models that answer as one: the mean of what each of them holds to be probable. */
import { list, number, plain, reading, refuse, signalOf } from './check.js'
import { orAbort } from './abort.js'
import { packInputs, type Inputs } from './columns.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting, calling } from './errors.js'
import { modelOf, type Model } from './model.js'
import type { NativeEnsemble } from './native/contract.js'
import { ensembles } from './native/handles.js'
import { native } from './native/load.js'
import { meaningFor, prediction, type Prediction } from './prediction.js'
import type { Evaluation } from './report.js'

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
  readonly #first: Model

  private constructor(
    handle: NativeEnsemble,
    /** Its models, in their order. */
    readonly models: readonly Model[],
  ) {
    this.#handle = handle
    ensembles.set(this, handle)
    this.#first = models[0]!
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
  async predict(columns: { inputs: Inputs }, options: { signal?: AbortSignal } = {}): Promise<Prediction> {
    const { signal } = plain('options', options, ['signal'])
    const known = { input: this.#first.input as number[], labelNames: this.#first.labelNames?.slice() ?? null }
    const { json, buffers } = reading('inputs', () => packInputs(columns, meaningFor(known)))
    const made = await orAbort(signalOf('signal', signal), () => awaiting(() => this.#handle.predict(json, buffers)))
    return prediction(made, known)
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
