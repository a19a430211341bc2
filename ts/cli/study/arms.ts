/**
 * The arms of `limbeck study methods`: what is tried, whose it is, what its authors say of it. Arms differ in loss,
 * teacher or regime alone. A method has at most four settings; which of them counts is chosen on the held-back part.
 */
import type { LossesOptions } from '../../index.js'
import type { TeacherName } from './tasks.js'

/** One setting of an arm: plain options. */
export interface Setting {
  losses: LossesOptions
}

export interface Arm {
  name: string
  /** Authors and year. */
  paper: string
  /** What they claim, in few words. */
  claim: string
  /** Nobody: the student learns from labels alone. */
  teacher?: TeacherName
  /** The loss looks into the teacher: it is asked as a model, not by its stored answers. */
  inside?: true
  settings: readonly Setting[]
}

const ce = (weight: number) => ({ crossEntropy: { weight } })
/** The teacher's part beside 0.1 cross entropy, as kd has it. */
const beside = (losses: LossesOptions): Setting => ({ losses: { ...ce(0.1), ...losses } })
const kd = (temperature: number, weight = 0.9) => ({ kl: { weight, temperature } })
const each = <T>(values: readonly T[], setting: (value: T) => Setting) => values.map(setting)
const hinton = 'Hinton, Vinyals, Dean 2015'
const tang = 'Tang et al. 2020'
const muller = 'Müller, Kornblith, Hinton 2019'

/** Plain distilling: what every arm is compared with. */
export const baseline = 'kd-t4'
export const alone = 'alone'

export const arms: readonly Arm[] = [
  { name: alone, paper: '', claim: 'no teacher', settings: [{ losses: { crossEntropy: {} } }] },
  {
    name: 'label-smoothing',
    paper: muller,
    claim: 'a little better, and better calibrated',
    settings: each([0.05, 0.1, 0.2, 0.3], labelSmoothing => ({ losses: { crossEntropy: { labelSmoothing } } })),
  },
  ...[1, 2, 4, 8].map(
    (temperature): Arm => ({
      name: `kd-t${temperature}`,
      paper: hinton,
      claim: temperature === 4 ? 'better than alone: soft targets say which classes are alike' : 'the temperature matters',
      teacher: 'teacher',
      settings: [beside(kd(temperature))],
    }),
  ),
  {
    name: 'reverse-kl',
    paper: 'Gu et al. 2023 (MiniLLM)',
    claim: 'seeks the main classes of the teacher',
    teacher: 'teacher',
    settings: each([1, 2, 4], temperature => beside({ reverseKl: { weight: 0.9, temperature } })),
  },
  {
    name: 'logit-mse',
    paper: 'Kim et al. 2021',
    claim: 'as good as kd or better',
    teacher: 'teacher',
    settings: each([0.05, 0.2, 0.5, 1], weight => beside({ logitMse: { weight } })),
  },
  {
    name: 'kd-standardized',
    paper: 'Sun et al. 2024',
    claim: 'better than kd: logits of both are brought to one scale',
    teacher: 'teacher',
    settings: each([[0.9, 2], [0.9, 4], [9, 2], [3, 2]] as const, ([weight, temperature]) => beside({ kl: { weight, temperature, standardize: true } })),
  },
  ...(['quarter', 'fourfold'] as const).map(
    (teacher): Arm => ({
      name: `kd-${teacher}-teacher`,
      paper: tang,
      claim: teacher === 'quarter' ? 'a smaller teacher re-weights more' : 'a much larger teacher is confident everywhere: students get worse',
      teacher,
      settings: [beside(kd(4))],
    }),
  ),
  {
    name: 'kd-smoothed-teacher',
    paper: `${tang}; ${muller}`,
    claim: 'a teacher trained with label smoothing is better itself and teaches worse',
    teacher: 'smoothed',
    settings: [beside(kd(4))],
  },
]

export function armOf(name: string): Arm | undefined {
  return arms.find(arm => arm.name === name)
}
