/** Several models used as one: the mean of their probabilities. */
import { json, list, number, plain, refuse, signalOf, words } from './read.js'
import { orAbort } from './abort.js'
import type { InputColumns } from './inputs.js'
import type { ByteReading } from './meaning.js'
import { datasetOf, type Dataset } from './dataset.js'
import { awaiting, calling } from './errors.js'
import { describe, modelOf } from './model/handle.js'
import type { Model } from './model/model.js'
import type { Description, NativeEnsemble } from './native/contract.js'
import { ensembles, isHandle, type EnsembleLike, type kind } from './native/handles.js'
import { native } from './native/load.js'
import type { Metrics } from './native/options.js'
import { inputsOf, meaningFor, predicted, prediction, type Prediction } from './prediction.js'
import type { Evaluation } from './report.js'

/** Names and byte reading that the models of an ensemble share. */
interface Signature {
  inputNames: string[] | null
  labelNames: string[] | null
  bytes: ByteReading | null
}

/**
 * Models with the same number of classes, all single-label or all multi-label. The ensemble keeps the parameters that they
 * have when it is created.
 *
 * ```ts
 * const both = Ensemble.of([first, second], { weights: [2, 1] })
 * const { labels } = await both.predict({ inputs })
 * ```
 */
export class Ensemble implements EnsembleLike {
  declare readonly [kind]: 'ensemble'
  readonly #handle: NativeEnsemble
  readonly #known: Description

  private constructor(
    handle: NativeEnsemble,
    /** The models, in their order. */
    readonly models: readonly Model[],
  ) {
    if (!isHandle(handle)) refuse('Ensemble', 'Ensemble.of(…)', words('new Ensemble(…)'))
    this.#handle = handle
    const { inputNames, labelNames, bytes } = JSON.parse(calling(() => handle.describe())) as Signature
    const preprocessing = bytes === null ? {} : { bytes }
    this.#known = { ...describe(modelOf('models[0]', models[0])), inputNames, labelNames, preprocessing }
    ensembles.set(this, { handle, description: this.#known })
  }

  /** `weights` are the relative weights of the models. Default: equal weights. */
  static of(models: readonly Model[], options: { weights?: readonly number[] } = {}): Ensemble {
    const handles = list('models', models).map((model, at) => modelOf(`models[${at}]`, model))
    const { weights } = plain('options', options, ['weights'])
    const shares = weights === undefined ? undefined : list('weights', weights).map((weight, at) => number(`weights[${at}]`, weight))
    if (shares !== undefined && shares.length !== handles.length) refuse('weights', `${handles.length} numbers, one per model`, shares.length)
    const { NativeEnsemble } = native()
    const handle = calling(() => (shares === undefined ? new NativeEnsemble(handles) : new NativeEnsemble(handles, shares)))
    return new Ensemble(handle, [...models])
  }

  /** The mean probabilities, their logits (for single-label models their logarithms), and the predicted class of each row. */
  async predict(columns: InputColumns, options: { signal?: AbortSignal } = {}): Promise<Prediction> {
    const { signal } = plain('options', options, ['signal'])
    const { json, buffers } = inputsOf(columns, meaningFor(this.#known))
    const made = await orAbort(signalOf('signal', signal), () => predicted(() => this.#handle.predict(json, buffers)))
    return prediction(made, this.#known)
  }

  /** Evaluates the ensemble on labelled rows, with further `metrics` by name. */
  async evaluate(data: Dataset, options: { metrics?: Metrics } = {}): Promise<Evaluation> {
    const { metrics } = plain('options', options, ['metrics'])
    const rows = datasetOf('data', data)
    const more = metrics === undefined ? undefined : json('metrics', plain('metrics', metrics))
    return JSON.parse(await awaiting(() => this.#handle.evaluate(rows, more))) as Evaluation
  }

  /** Logits of the mean probabilities of all rows, `[rows, classes]`, in data order, for example for `teacherLogits`. */
  async logits(data: Dataset): Promise<Float32Array> {
    const rows = datasetOf('data', data)
    return awaiting(() => this.#handle.logits(rows))
  }
}
