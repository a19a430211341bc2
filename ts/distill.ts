/** Training with a teacher. */
import { watch } from './unstarted.js'
import type { RunOptions } from './run/options.js'
import { Run } from './run/run.js'
import type { AnyTeacher } from './teachers.js'

export interface DistillOptions extends RunOptions {
  /**
   * The teacher that the student imitates: a model, which does not change; a function that returns logits; the running
   * average of the student's own parameters, `{ average: { decay: 0.999 } }`; the smoothed labels,
   * `{ labelSmoothing: { share: 0.1 } }`; or a list of these, `[{ model, weight: 2 }, { model: other }]`, which `combine`
   * combines. Default: the column `teacherLogits` or `teacherTopK` of the data.
   */
  teacher?: AnyTeacher
}

/**
 * Trains `student` to imitate `teacher`, one optimizer step per batch.
 *
 * The run is lazy: it starts when the first report is requested. Leaving the loop early stops the run after the current
 * step.
 *
 * ```ts
 * const run = distill({ teacher, student, data, losses: { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } } })
 * for await (const { step, terms } of run) console.log(step, terms.kl)
 * ```
 */
export function distill(options: DistillOptions): Run {
  return watch('distill', new Run('distill', options))
}
