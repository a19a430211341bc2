/** The remaining runs, how long they take, and the setting that the trials of an arm choose. */
import { train } from '../../index.js'
import type { Arm, Setting } from './arms.js'
import type { Line, Lines } from './lines.js'
import { budget, freshStudent, type Task } from './tasks.js'

/** The seed of the trials, which no run uses. */
export const trialSeed = 0

export interface Piece {
  arm: Arm
  phase: Line['phase']
  setting: number
  seed: number
}

/** The trials of an arm that are not on record. One setting needs no trial. */
export function trialsOf(arm: Arm, task: Task, lines: Lines): Piece[] {
  const settings = arm.settings(task)
  if (settings.length < 2) return []
  return settings
    .map((options, setting) => ({ arm, phase: 'trial' as const, setting, seed: trialSeed, options }))
    .filter(({ options, phase, seed }) => lines.find({ task: task.name, arm: arm.name, phase, options, seed }) === undefined)
}

/** The setting whose trial was best on the held-back part; the first one if several are equal. */
export function chosen(arm: Arm, task: Task, lines: Lines): number {
  const scores = arm.settings(task).map(options => lines.find({ task: task.name, arm: arm.name, phase: 'trial', options, seed: trialSeed })?.accuracy ?? -1)
  return scores.indexOf(Math.max(...scores))
}

/** The runs of an arm that are not on record, after its setting is chosen. */
export function runsOf(arm: Arm, task: Task, lines: Lines, seeds: readonly number[]): Piece[] {
  const setting = chosen(arm, task, lines)
  const options = arm.settings(task)[setting]!
  return seeds
    .filter(seed => lines.find({ task: task.name, arm: arm.name, phase: 'run', options, seed }) === undefined)
    .map(seed => ({ arm, phase: 'run', setting, seed }))
}

/** Returns the remaining pieces, arm by arm: first the trials of an arm and, when all of them are on record, its runs. */
export class Queue {
  readonly #states: { arm: Arm; trials: Piece[]; open: number; runs: Piece[] | undefined }[]
  #changed: (() => void)[] = []

  constructor(
    arms: readonly Arm[],
    private readonly task: Task,
    private readonly lines: Lines,
    private readonly seeds: readonly number[],
  ) {
    this.#states = arms.map(arm => {
      const trials = trialsOf(arm, task, lines)
      return { arm, trials, open: trials.length, runs: undefined }
    })
  }

  /** The next piece; waits if all remaining pieces depend on running trials. Undefined at the end. */
  async next(): Promise<Piece | undefined> {
    for (;;) {
      for (const state of this.#states) {
        if (state.open === 0) state.runs ??= runsOf(state.arm, this.task, this.lines, this.seeds)
        const piece = state.trials.shift() ?? state.runs?.shift()
        if (piece !== undefined) return piece
      }
      if (this.#states.every(({ open }) => open === 0)) return undefined
      await new Promise<void>(wake => this.#changed.push(wake))
    }
  }

  /** A piece is on record. */
  done({ arm, phase }: Piece): void {
    if (phase === 'trial') this.#states.find(state => state.arm === arm)!.open--
    this.#changed.splice(0).forEach(wake => wake())
  }
}

/** The number of remaining runs of an arm, including trials. */
export function left(arm: Arm, task: Task, lines: Lines, seeds: readonly number[]): number {
  const trials = trialsOf(arm, task, lines).length
  return trials + (trials > 0 ? seeds.length : runsOf(arm, task, lines, seeds).length)
}

/** Seconds of one run of a student without a teacher, estimated from a few steps. */
export async function measured(task: Task): Promise<number> {
  const steps = 60
  const { epochs: _, ...rest } = budget(1, 99)
  const run = train({ student: await freshStudent(task, 99), data: task.train, losses: { crossEntropy: {} }, ...rest, steps })
  const begun = performance.now()
  await run.finish()
  const seconds = (performance.now() - begun) / 1000
  return (seconds / steps) * Math.ceil(task.train.rows / 64) * task.epochs
}

/** Seconds of one run of an arm: the mean on record, or an estimate from those of the student without a teacher. */
export function secondsOf(arm: Arm, task: Task, lines: Lines, alone: number): number {
  const known = lines.all.filter(line => line.task === task.name && line.arm === arm.name).map(({ seconds }) => seconds)
  if (known.length > 0) return known.reduce((sum, seconds) => sum + seconds, 0) / known.length
  // 1.3 is for the evaluation after each epoch; 6 and 2 are for running the teacher.
  return alone * 1.3 * (arm.cost ?? 1) * (arm.layers ? 6 : arm.inside ? 2 : 1)
}

export const settingOf = ({ arm, setting }: Piece, task: Task): Setting => arm.settings(task)[setting]!
