/** Training without a teacher. */
import { watch } from './unstarted.js'
import type { RunOptions } from './run/options.js'
import { Run } from './run/run.js'

export type TrainOptions = RunOptions

/**
 * Trains `student` on labelled rows, one optimizer step per batch.
 *
 * The run is lazy: it starts when the first report is requested. Leaving the loop early stops the run after the current
 * step.
 *
 * `await train(…)` does not start it: iterate the run, or `await train(…).finish()`.
 *
 * ```ts
 * for await (const { step, loss } of train({ student, data, losses: { crossEntropy: {} } })) console.log(step, loss)
 * ```
 */
export function train(options: TrainOptions): Run {
  return watch('train', new Run('train', options))
}
