/** Training with a teacher. */
import { Run, type AnyTeacher, type RunOptions } from './run.js'

export interface DistillOptions extends RunOptions {
  /**
   * Whom the student imitates: a model, a function that answers with logits, or nothing where the data bring a column
   * `teacherLogits`. A model stays as it is.
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
  return new Run('distill', options)
}
