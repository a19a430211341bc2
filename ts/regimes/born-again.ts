/**
 * Born-again networks: a student of its teacher's own shape, which then teaches the next one.
 *
 * ```text
 * generation k learns from generation k − 1, frozen, at temperature 1:
 *   ban    KL(p ‖ q)                       p: the teacher's probabilities, q: the student's
 *   banL   KL(p ‖ q) + CE(y, q)
 *   cwtm   CE, rows weighted by max p      no dark knowledge, only how sure the teacher is
 *   dkpp   KL(permuted p ‖ q)              every probability but the largest at random among the other classes
 * ```
 *
 * Source: Furlanello, Lipton, Tschannen, Itti, Anandkumar, "Born-Again Neural Networks", 2018, arXiv:1805.04770. Where we
 * differ: the permutation of dkpp is drawn anew for every row in each epoch; which generation is best, and whether there
 * is another, is decided on validation rows.
 */
import { plain, refuse, text, whole, type Plain } from '../read.js'
import { Ensemble } from '../ensemble.js'
import { watch } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import { Model } from '../model/model.js'
import type { LossesOptions } from '../native/options.js'
import { begun, readableAgain, score, sharedOf, stageRun, type RegimeOptions } from './options.js'
import { Sequence, type Plan, type StageOutcome } from './sequence.js'

/** What a generation learns from the one before. */
export type BornAgainVariant = 'ban' | 'banL' | 'cwtm' | 'dkpp'

const variants: Record<BornAgainVariant, { losses: LossesOptions; [option: string]: unknown }> = {
  ban: { losses: { kl: {} } },
  banL: { losses: { kl: {}, crossEntropy: {} } },
  cwtm: { losses: { crossEntropy: {} }, weightRowsByTeacher: true },
  dkpp: { losses: { kl: {} }, permuteTeacher: true },
}

export interface BornAgainOptions extends Omit<RegimeOptions, 'losses'> {
  /** The teacher of the first generation; every generation has its shape. */
  teacher: Model
  /** The largest number of generations; 1 or more. Default 3. */
  generations?: number
  /** What a generation learns from. Default `'ban'`, the teacher alone; language models need `'banL'`. */
  variant?: BornAgainVariant
  /** Replaces the variant's losses, such as the same ones with another temperature or other weights. */
  losses?: LossesOptions
  /** Stops when so many generations in a row are no better than the best one before them. Default: all are made. */
  patience?: number
}

/** Which generation a report is of, counted from 1. */
export interface GenerationLabel {
  generation: number
  generations: number
}

export interface BornAgainOutcome {
  generations: StageOutcome[]
  /** The number of the best generation on the validation rows, counted from 1; without validation rows, the last one. */
  best: number
  /** Why no more generations were made. */
  ended: 'finished' | 'earlyStop'
}

/** The reports of `bornAgain`, and the models that it makes. */
export class BornAgain extends Sequence<GenerationLabel, BornAgainOutcome> {
  /** All generations so far, in their order; each is a new model. */
  readonly students: readonly Model[]

  /** @internal */
  constructor(options: unknown) {
    const students: Model[] = []
    super(() => plan(options, students))
    this.students = students
  }

  /** The best generation on the validation rows, or the last one without validation rows; undefined before the end. */
  get student(): Model | undefined {
    return this.outcome === undefined ? undefined : this.students[this.outcome.best - 1]
  }

  /** All generations so far as one model: the mean of their probabilities. */
  ensemble(): Ensemble {
    return Ensemble.of(this.students)
  }
}

/**
 * Distils a model into its own shape, generation after generation. The start values and the order of rows of a generation
 * follow from `seed` plus its number.
 *
 * ```ts
 * const again = bornAgain({ teacher, data, validation, generations: 3, variant: 'banL', patience: 1 })
 * for await (const { generation, validation } of again) console.log(generation, validation?.accuracy)
 * const { labels } = await again.ensemble().predict({ inputs })
 * ```
 */
export function bornAgain(options: BornAgainOptions): BornAgain {
  return watch('bornAgain', new BornAgain(options))
}

function plan(given: unknown, students: Model[]): Plan<GenerationLabel, BornAgainOutcome> {
  const shared = sharedOf(given, ['teacher', 'generations', 'variant', 'losses', 'patience'])
  const { own, validation, checkpoint, signal } = shared
  const teacher = own.teacher as Model
  modelOf('teacher', teacher)
  const generations = own.generations === undefined ? 3 : whole('generations', own.generations, 1)
  const patience = own.patience === undefined ? Infinity : whole('patience', own.patience, 1)
  if (own.patience !== undefined && validation === undefined) refuse('validation', 'rows that tell whether a generation is better', validation)
  const variant = own.variant === undefined ? 'ban' : text('variant', own.variant)
  if (!Object.hasOwn(variants, variant)) refuse('variant', `one of ${Object.keys(variants).join(', ')}`, variant)
  const losses = own.losses === undefined ? {} : { losses: plain('losses', own.losses) }
  const options: Plain = { ...shared.options, ...variants[variant as BornAgainVariant], ...losses }
  const seed = options.seed === undefined ? 0 : whole('seed', options.seed, 0)
  readableAgain(shared, generations)

  const make = (generation: number) =>
    Model.create(teacher.architecture, {
      seed: seed + generation,
      ...(teacher.labelNames && { labelNames: teacher.labelNames }),
      ...(teacher.normalization && { normalization: teacher.normalization }),
    })
  const stale = (done: readonly StageOutcome[]) => done.length - bestOf(done)
  return {
    regime: 'bornAgain',
    stage: done => {
      const generation = done.length + 1
      if (generation > generations || (done.length > 0 && stale(done) >= patience)) return undefined
      const student = make(generation)
      const before = students.at(-1) ?? teacher
      students.push(student)
      return {
        name: `generation-${generation}`,
        label: { generation, generations },
        student,
        run: folder => stageRun(shared, { ...options, seed: seed + generation }, student, before, folder),
      }
    },
    outcome: done => ({
      generations: [...done],
      best: bestOf(done),
      ended: done.length === generations ? 'finished' : 'earlyStop',
    }),
    checks: () => [{ run: stageRun(shared, options, make(1), teacher), place: path => path }],
    begun: () => begun({ ...shared, options }, { generations, patience: own.patience ?? null }, teacher, []),
    validation,
    checkpoint,
    signal,
  }
}

/** The number of the best generation, counted from 1: the first among equals; the last where there was no validation. */
function bestOf(done: readonly StageOutcome[]): number {
  const scores = done.map(score)
  const best = Math.max(...scores)
  return best === -Infinity ? done.length : scores.indexOf(best) + 1
}
