/**
 * Born-again networks: a student has the shape of its teacher, and then teaches the next student.
 *
 * ```text
 * generation k learns from generation k − 1, frozen, at temperature 1:
 *   ban    KL(p ‖ q)                       p: the teacher's probabilities, q: the student's
 *   banL   KL(p ‖ q) + CE(y, q)
 *   cwtm   CE, rows weighted by max p      only the teacher's confidence, no dark knowledge
 *   dkpp   KL(permuted p ‖ q)              all probabilities except the largest are permuted
 * ```
 *
 * Source: Furlanello, Lipton, Tschannen, Itti, Anandkumar, "Born-Again Neural Networks", 2018, arXiv:1805.04770. Where we
 * differ: the permutation of dkpp is drawn anew for every row in each epoch; which generation is best, and whether
 * another one follows, is decided on validation rows.
 */
import { plain, refuse, text, whole, type Plain } from '../read.js'
import { Ensemble } from '../ensemble.js'
import { watch } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import { Model } from '../model/model.js'
import type { LossesOptions } from '../native/options.js'
import { begun, readableAgain, score, sharedOf, stageRun, type RegimeOptions } from './options.js'
import { Sequence, type Plan, type StageOutcome } from './sequence.js'

/** The losses with which a generation learns from the one before. */
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
  /** The losses of a generation. Default `'ban'`, only the teacher; language models need `'banL'`, which adds the labels. */
  variant?: BornAgainVariant
  /** Replaces the losses of the variant, for example by the same losses with another temperature or other weights. */
  losses?: LossesOptions
  /** Stops after this many consecutive generations that are not better than the best one before. Default: never. */
  patience?: number
}

/** The generation of a report, counted from 1. */
export interface GenerationLabel {
  generation: number
  generations: number
}

export interface BornAgainOutcome {
  generations: StageOutcome[]
  /** The number of the best generation on the validation rows, counted from 1; without validation rows, the last one. */
  best: number
  /** Why no further generation was made. */
  ended: 'finished' | 'earlyStop'
}

/** The reports of `bornAgain`, and the models that it makes. */
export class BornAgain extends Sequence<GenerationLabel, BornAgainOutcome> {
  /** All generations so far, in order; each is a new model. */
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

  /** All generations so far as an ensemble: the mean of their probabilities. */
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
  if (own.patience !== undefined && validation === undefined) refuse('validation', 'rows on which generations are compared', validation)
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

/** The number of the best generation, counted from 1: the first among equals; the last one without validation rows. */
function bestOf(done: readonly StageOutcome[]): number {
  const scores = done.map(score)
  const best = Math.max(...scores)
  return best === -Infinity ? done.length : scores.indexOf(best) + 1
}
