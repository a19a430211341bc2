/** Training with a teacher. */
import { watch } from './unstarted.js'
import type { RunOptions } from './run/options.js'
import { Run } from './run/run.js'
import type { AnyTeacher } from './teachers.js'

export interface DistillOptions extends RunOptions {
  /**
   * Whom the student imitates: a model, a function that answers with logits, or nothing where the data bring a column
   * `teacherLogits`; the running average of its own parameters, `{ average: { decay: 0.999 } }`; the labels, smoothed,
   * `{ labelSmoothing: { share: 0.1 } }`; or several of these, `[{ model, weight: 2 }, { model: other }]`, heard as
   * `combine` says. A model stays as it is.
   */
  teacher?: AnyTeacher
}

/**
 * Trains `student` to imitate `teacher`, one optimizer step per batch.
 *
 * Lazy: no work is done until the first report is asked for, and leaving the loop early stops the training after a
 * whole step.
 *
 * ```ts
 * const run = distill({ teacher, student, data, losses: { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } } })
 * for await (const { step, terms } of run) console.log(step, terms.kl)
 * ```
 */
export function distill(options: DistillOptions): Run {
  return watch('distill', new Run('distill', options))
}
