/** Training without a teacher. */
import { watch } from './unstarted.js'
import type { RunOptions } from './run/options.js'
import { Run } from './run/run.js'

export type TrainOptions = RunOptions

/**
 * Trains `student` on labelled rows, one optimizer step per batch.
 *
 * Lazy: no work is done until the first report is asked for, and leaving the loop early stops the training after a
 * whole step.
 *
 * `await train(…)` alone trains nothing: iterate the run, or `await train(…).finish()`.
 *
 * ```ts
 * for await (const { step, loss } of train({ student, data, losses: { crossEntropy: {} } })) console.log(step, loss)
 * ```
 */
export function train(options: TrainOptions): Run {
  return watch('train', new Run('train', options))
}
