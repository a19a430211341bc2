/**
 * Weight Distillation: a generator makes the student's parameters from the teacher's and is trained (phase 1); then the
 * parameters are plain numbers and are trained as usual (phase 2).
 *
 * ```text
 * phase 1: student = generator(teacher), the generator learns     →  bake  →     phase 2: the student learns
 * ```
 *
 * Each phase has its own losses, optimizer, schedule and length. Phase 1 always has the teacher; phase 2 has it only if a
 * loss compares with it. Source: Lin, Li, Wang, Li, Du, Xiao, Zhu, "Weight Distillation: Transferring the Knowledge
 * in Neural Network Parameters", ACL 2021, arXiv:2009.09152. Where we differ: any list of layers, any losses; with
 * validation rows phase 1 passes on its best student, not the average of its last checkpoints.
 */
import { json, plain, refuse, words, type Plain } from '../read.js'
import { calling } from '../errors.js'
import { watch } from '../unstarted.js'
import { modelOf } from '../model/handle.js'
import type { Model } from '../model/model.js'
import { native } from '../native/load.js'
import type { CheckpointOptions, GeneratorOptions, LossesOptions } from '../native/options.js'
import { trainOptionKeys } from '../native/options.js'
import type { Origin } from '../report.js'
import { begun, readableAgain, sharedOf, stageOptions, stageRun, type RegimeOptions, type StageOptions } from './options.js'
import { Sequence, type Plan, type StageOutcome } from './sequence.js'

export interface WeightsOptions extends Omit<RegimeOptions, 'losses' | 'generator'> {
  /** The model whose parameters the student's are made from; it does not change. */
  teacher: Model
  /** The model to make; at the end it has the parameters that phase 2 trained. */
  student: Model
  /**
   * Which parameter is made from which. Default: layers are matched by kind and position. `student.generatorPlan(teacher)`
   * shows the result.
   */
  generator?: GeneratorOptions
  /** The losses of a phase that has no losses of its own. */
  losses?: LossesOptions
  /** Options of phase 1, which replace the shared ones: `freeze`, `average` and `optimizer` apply to the generator. */
  phase1?: Omit<StageOptions, 'generator'>
  /** Options of phase 2, which replace the shared ones. */
  phase2?: Omit<StageOptions, 'generator'>
}

/** The phase of a report. */
export interface PhaseLabel {
  phase: 1 | 2
}

/** The result of both phases. */
export interface WeightsOutcome {
  /** Phase 1, which made the student, and phase 2. */
  phases: StageOutcome[]
  /** How much of the student was made from the teacher. */
  origin: Origin
}

/**
 * Makes a student from a teacher's parameters, then trains it.
 *
 * ```ts
 * const run = distillWeights({ teacher, student, data, validation, losses, phase1: { epochs: 5 }, phase2: { epochs: 5 } })
 * for await (const { phase, step, validation } of run) console.log(phase, step, validation?.accuracy)
 * ```
 */
export function distillWeights(options: WeightsOptions): Sequence<PhaseLabel, WeightsOutcome> {
  return watch('distillWeights', new Sequence(() => plan(options)))
}

function plan(given: unknown): Plan<PhaseLabel, WeightsOutcome> {
  const shared = sharedOf(given, ['teacher', 'student', 'generator', 'phase1', 'phase2'])
  const { own, validation, checkpoint, signal } = shared
  const [teacher, student] = [own.teacher as Model, own.student as Model]
  modelOf('teacher', teacher)
  modelOf('student', student)
  if (teacher === student) refuse('student', 'another model than the teacher', words('the teacher'))
  const generator = own.generator === undefined ? {} : plain('generator', own.generator)
  const keys = trainOptionKeys.filter(key => key !== 'checkpoint' && key !== 'generator')
  const ofPhase = (path: string) => (own[path] === undefined ? {} : plain(path, own[path], keys))
  const phases = [ofPhase('phase1'), ofPhase('phase2')]
  readableAgain(shared, phases.length)
  const options = phases.map((phase, at) => ({ ...stageOptions(shared.options, phase), ...(at === 0 && { generator }) }))
  const runOf = (at: number, folder?: CheckpointOptions) => {
    const distils = at === 0 || comparesWithTeacher(options[at]!)
    return stageRun(shared, options[at]!, student, distils ? teacher : undefined, folder, distils ? 'distill' : 'train')
  }
  return {
    regime: 'distillWeights',
    stage: ({ length: at }) =>
      at === phases.length
        ? undefined
        : { name: `phase-${at + 1}`, label: { phase: at === 0 ? 1 : 2 }, student, run: folder => runOf(at, folder) },
    outcome: done => ({ phases: [...done], origin: done[0]!.summary.origin ?? refuse('origin', 'the origin of the numbers in the summary of phase 1', undefined) }),
    checks: () => phases.map((phase, at) => ({ run: runOf(at), place: path => placeOf(phase, `phase${at + 1}`, path) })),
    begun: () => begun(shared, { generator, phases }, teacher, [student]),
    validation,
    checkpoint,
    signal,
  }
}

/** Whether the phase distils; its run refuses losses that are invalid. */
function comparesWithTeacher({ losses }: Plain): boolean {
  try {
    return losses === undefined || calling(() => native().lossesNeedTeacher(json('losses', losses)))
  } catch {
    return true
  }
}

/** `losses.kl` becomes `phase1.losses.kl` if the phase has losses of its own. */
function placeOf(phase: Plain, name: string, path: string): string {
  const key = /^\w+/.exec(path)?.[0] ?? ''
  return Object.hasOwn(phase, key) ? `${name}.${path}` : path
}
