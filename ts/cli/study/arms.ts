/**
 * The arms of `limbeck study methods`, each with its paper, the claim of the paper, and its settings. Arms differ only in loss,
 * teacher or regime. A method has at most four settings; one of them is chosen on the held-back part.
 */
import type { BornAgainVariant, LossesOptions } from '../../index.js'
import type { Task, TaskName, TeacherName } from './tasks.js'

/** One setting of an arm: plain options, as they are in the record. */
export interface Setting {
  losses?: LossesOptions
  /** Generations of the student's shape; the teacher of the first one is a student that was trained without a teacher. */
  bornAgain?: { variant: BornAgainVariant; generations: number }
  /** Weight Distillation: the share of the epochs in phase 1, and the learning rate of the generator. */
  weights?: { phase1: number; rate: number }
  /** A second student of the same shape is trained together with it, and both learn from each other. */
  mutual?: true
  /** The student starts as a sub-block of the teacher's parameters. */
  truncated?: true
}

export interface Arm {
  name: string
  /** Authors and year. */
  paper: string
  /** The claim of the paper. */
  claim: string
  /** The teacher; undefined if the student is trained only on labels. */
  teacher?: TeacherName
  /** Whether the loss needs the teacher as a model and not only its stored logits. */
  inside?: true
  /** Whether the loss reads the teacher's layers, so that the teacher is run in every step. */
  layers?: true
  /** The tasks that it is tried on. Default: all. */
  tasks?: readonly TaskName[]
  /** How many runs of one student take as long as one run of this arm. Default 1. */
  cost?: number
  settings(task: Shape): readonly Setting[]
}

/** The properties of a task that settings depend on. */
export type Shape = Pick<Task, 'classes' | 'student'>

const hinton = 'Hinton, Vinyals, Dean 2015'
const tang = 'Tang et al. 2020'
const muller = 'Müller, Kornblith, Hinton 2019'
const oki = 'Oki et al. 2020'
const furlanello = 'Furlanello et al. 2018'

/** These losses together with 0.1 cross entropy, as in plain kd. */
const beside = (losses: LossesOptions, weight = 0.1): Setting => ({ losses: { crossEntropy: { weight }, ...losses } })
const kd = (temperature: number) => [beside({ kl: { weight: 0.9, temperature } })]
/** One setting for each value. */
const each = <T>(values: readonly T[], setting: (value: T) => Setting) => values.map(setting)
const temperatures = (values: readonly number[], losses: (temperature: number) => LossesOptions) => () => each(values, temperature => beside(losses(temperature)))

/** Plain distillation, with which every arm is compared. */
export const baseline = 'kd-t4'
export const alone = 'alone'

const plain: Arm[] = [
  { name: alone, paper: '', claim: '', settings: () => [{ losses: { crossEntropy: {} } }] },
  {
    name: 'label-smoothing',
    paper: muller,
    claim: 'a little better, and better calibrated',
    settings: () => each([0.05, 0.1, 0.2, 0.3], labelSmoothing => ({ losses: { crossEntropy: { labelSmoothing } } })),
  },
  ...[1, 2, 4, 8].map(
    (temperature): Arm => ({
      name: `kd-t${temperature}`,
      paper: hinton,
      claim: temperature === 4 ? 'better than alone: soft targets show which classes are similar' : 'the temperature matters',
      teacher: 'teacher',
      settings: () => kd(temperature),
    }),
  ),
]

/** As in the paper, and sharper: we did not find the exact sharpening of the paper. */
const similar = [
  { power: 1, sharpness: 1 },
  { power: 0.5, sharpness: 0.3 },
  { power: 0.3, sharpness: 0.3 },
  { power: 0.5, sharpness: 0.3, temperature: 4 },
]

/** Arms that use only a part of the teacher's output. */
const parts: Arm[] = [
  {
    name: 'kd-pt',
    paper: tang,
    claim: 'confidence by itself (re-weighting) helps, but less than kd',
    teacher: 'teacher',
    settings: temperatures([1, 2, 4], temperature => ({ kdPt: { weight: 0.9, temperature } })),
  },
  {
    name: 'kd-sim',
    paper: tang,
    claim: "class relations by themselves, from the teacher's last layer, help, but less than kd",
    teacher: 'teacher',
    inside: true,
    settings: () => similar.map(own => beside({ kdSim: { weight: 0.9, ...own } })),
  },
  {
    name: 'kd-pt-sim',
    paper: tang,
    claim: 'both together are closer to kd',
    teacher: 'teacher',
    inside: true,
    settings: () => similar.map(own => beside({ kdPtSim: { weight: 0.9, mix: 0.5, ...own } })),
  },
  ...(
    [
      ['topk-few', (classes: number) => Math.max(2, Math.round(classes / 20)), 'renormalize'],
      ['topk-quarter', (classes: number) => Math.ceil(classes / 4), 'renormalize'],
      ['topk-half', (classes: number) => Math.ceil(classes / 2), 'renormalize'],
      ['topk-quarter-zero', (classes: number) => Math.ceil(classes / 4), 'zero'],
      ['topk-quarter-uniform', (classes: number) => Math.ceil(classes / 4), 'uniform'],
      ['topk-quarter-bucket', (classes: number) => Math.ceil(classes / 4), 'bucket'],
    ] as const
  ).map(
    ([name, k, missing]): Arm => ({
      name,
      paper: tang,
      claim: name === 'topk-quarter' ? 'better than kd: the rest is noise' : '',
      teacher: 'teacher',
      settings: ({ classes }) => each([2, 4], temperature => beside({ kdTopk: { weight: 0.9, temperature, k: k(classes), missing } })),
    }),
  ),
]

const tripletPaper = { paper: oki, teacher: 'teacher' } as const
const triplets: Arm[] = [
  {
    name: 'tlkd2020',
    ...tripletPaper,
    claim: 'better than kd: close to the teacher, far from other classes (the code of 2020: cross entropy + 2 triplet)',
    settings: () => [beside({ triplet: { weight: 2, margin: 5 } }, 1)],
  },
  {
    name: 'tlkd2022',
    ...tripletPaper,
    claim: 'the same (the code of 2022: with kl at temperature 1)',
    settings: () => [beside({ kl: {}, triplet: { weight: 2, margin: 5 } }, 1)],
  },
  {
    name: 'triplet-batch',
    paper: `after ${oki}`,
    claim: '',
    teacher: 'teacher',
    settings: () =>
      each([['hardest', 2], ['hardest', 0.5], ['all', 2], ['all', 0.5]] as const, ([negatives, weight]) => beside({ tripletBatch: { weight, negatives } }, 1)),
  },
]

const later: Arm[] = [
  {
    name: 'reverse-kl',
    paper: 'Gu et al. 2023',
    claim: 'concentrates on the main classes of the teacher',
    teacher: 'teacher',
    settings: temperatures([1, 2, 4], temperature => ({ reverseKl: { weight: 0.9, temperature } })),
  },
  {
    name: 'jsd',
    paper: 'Agarwal et al. 2023',
    claim: 'between kl and its reverse',
    teacher: 'teacher',
    settings: () => each([[0.1, 4], [0.5, 2], [0.5, 4], [0.9, 4]] as const, ([beta, temperature]) => beside({ jsd: { weight: 0.9, beta, temperature } })),
  },
  {
    name: 'tvd',
    paper: 'Wen et al. 2023',
    claim: 'symmetric, bounded',
    teacher: 'teacher',
    settings: () => each([[1, 0.9], [4, 0.9], [1, 4], [4, 4]] as const, ([temperature, weight]) => beside({ tvd: { weight, temperature } })),
  },
  {
    name: 'skew-kl',
    paper: 'Ko et al. 2024',
    claim: 'a more stable gradient than kl',
    teacher: 'teacher',
    settings: temperatures([1, 2, 4], temperature => ({ skewKl: { weight: 0.9, temperature } })),
  },
  {
    name: 'skew-reverse-kl',
    paper: 'Ko et al. 2024',
    claim: 'the best of them on text',
    teacher: 'teacher',
    settings: temperatures([1, 2, 4], temperature => ({ skewReverseKl: { weight: 0.9, temperature } })),
  },
  {
    name: 'logit-mse',
    paper: 'Ba, Caruana 2014; Kim et al. 2021',
    claim: 'as good as kd or better',
    teacher: 'teacher',
    settings: () => each([0.05, 0.2, 0.5, 1], weight => beside({ logitMse: { weight } })),
  },
  {
    name: 'kd-standardized',
    paper: 'Sun et al. 2024',
    claim: 'better than kd: the logits of both have the same scale',
    teacher: 'teacher',
    settings: () => each([[0.9, 2], [0.9, 4], [9, 2], [3, 2]] as const, ([weight, temperature]) => beside({ kl: { weight, temperature, standardize: true } })),
  },
  {
    name: 'dkd',
    paper: 'Zhao et al. 2022',
    claim: 'clearly better than kd: the wrong classes keep their weight in confident rows',
    teacher: 'teacher',
    settings: () => each([[8, 0.25], [8, 1], [2, 0.25], [2, 1]] as const, ([beta, weight]) => beside({ dkd: { weight, beta } }, 1)),
  },
  {
    name: 'dist',
    paper: 'Huang et al. 2022',
    claim: 'better than kd from strong teachers: correlations instead of equality',
    teacher: 'teacher',
    settings: () => each([[1, 1], [2, 1], [1, 4], [0.1, 4]] as const, ([weight, temperature]) => beside({ dist: { weight, temperature } }, 1)),
  },
  {
    name: 'uld',
    paper: 'Boizard et al. 2024',
    claim: 'for different vocabularies: compares only sorted probabilities',
    teacher: 'teacher',
    settings: () => each([[1.5, 1], [0.3, 1], [1.5, 4], [0.3, 4]] as const, ([weight, temperature]) => beside({ uld: { weight, temperature } }, 1)),
  },
  ...(
    [
      ['attention-transfer', 'Zagoruyko, Komodakis 2016', 'attentionTransfer', [100, 1000], 'maps'],
      ['nst', 'Huang, Wang 2017', 'nst', [5, 50], 'map'],
      ['similarity', 'Tung, Mori 2019', 'similarity', [300, 3000], undefined],
      ['rkd-distance', 'Park et al. 2019', 'rkdDistance', [1, 25], undefined],
      ['rkd-angle', 'Park et al. 2019', 'rkdAngle', [2, 50], undefined],
      ['pkt', 'Passalis, Tefas 2018', 'pkt', [3000, 30_000], undefined],
      ['cosine', 'Sanh et al. 2019', 'cosine', [0.5, 5], 'projection'],
    ] as const
  ).map(
    ([name, paper, key, weights, own]): Arm => ({
      name,
      paper,
      claim: 'helps together with kd',
      teacher: 'teacher',
      inside: true,
      layers: true,
      settings: ({ student }) => {
        const maps = student.map((_, block) => `blocks.${block}.pool`)
        const places = own === 'maps' ? { layers: maps } : own === 'map' ? { layers: maps.at(-1)! } : own === 'projection' ? { projection: true } : {}
        return each(weights, weight => beside({ kl: { weight: 0.9, temperature: 4 }, [key]: { weight, ...places } }))
      },
    }),
  ),
  {
    name: 'hint',
    paper: 'Romero et al. 2014 (FitNets)',
    claim: 'better than kd if the student is thin; here together with kd',
    teacher: 'teacher',
    inside: true,
    layers: true,
    settings: () => each([0.1, 1], weight => beside({ kl: { weight: 0.9, temperature: 4 }, hint: { weight, projection: true } })),
  },
]

/** Arms with other teachers. */
const teachers: Arm[] = [
  { name: 'kd-plain-teacher', paper: hinton, claim: '', tasks: ['digits'], teacher: 'plain', settings: () => kd(4) },
  ...(['quarter', 'fourfold'] as const).map(
    (teacher): Arm => ({
      name: `kd-${teacher}-teacher`,
      paper: tang,
      claim: teacher === 'quarter' ? 'a smaller teacher re-weights more' : 'a much larger teacher is overconfident, and its students get worse',
      teacher,
      settings: () => kd(4),
    }),
  ),
  { name: 'kd-smoothed-teacher', paper: `${tang}; ${muller}`, claim: 'label smoothing makes a better teacher and worse students', teacher: 'smoothed', settings: () => kd(4) },
  {
    name: 'kd-pt-smoothed-teacher',
    paper: tang,
    claim: 'the same',
    teacher: 'smoothed',
    settings: temperatures([1, 2, 4], temperature => ({ kdPt: { weight: 0.9, temperature } })),
  },
  {
    name: 'kd-sim-smoothed-teacher',
    paper: tang,
    claim: 'the same',
    teacher: 'smoothed',
    inside: true,
    settings: () => similar.map(own => beside({ kdSim: { weight: 0.9, ...own } })),
  },
  { name: 'assistant', paper: 'Mirzadeh et al. 2020', claim: 'better than kd: a network of medium size in between', teacher: 'assistant', settings: () => kd(4) },
]

const regimes: Arm[] = [
  {
    name: 'truncate-start',
    paper: 'Lin et al. 2021',
    claim: 'even a sub-block of the teacher is a better start than random values',
    teacher: 'teacher',
    settings: () => kd(4).map(setting => ({ ...setting, truncated: true })),
  },
  {
    name: 'weight-distillation',
    paper: 'Lin et al. 2021',
    claim: "clearly better than kd: the teacher's parameters are also knowledge",
    teacher: 'teacher',
    inside: true,
    settings: () => each([[0.25, 2e-3], [0.25, 5e-4], [0.5, 2e-3], [0.5, 5e-4]] as const, ([phase1, rate]) => ({ ...kd(4)[0]!, weights: { phase1, rate } })),
  },
  {
    name: 'mutual',
    paper: 'Zhang et al. 2018',
    claim: 'two students that teach each other are better than one alone, without any teacher',
    cost: 2,
    settings: () => each([1, 2, 4], temperature => ({ losses: { crossEntropy: {}, kl: { temperature } }, mutual: true })),
  },
  {
    name: 'born-again',
    paper: furlanello,
    claim: 'better than alone, without a larger teacher',
    cost: 3,
    settings: () => each(['ban', 'banL'] as const, variant => ({ bornAgain: { variant, generations: 2 } })),
  },
]

const all: Arm[] = [...plain, ...parts, ...triplets, ...teachers, ...later, ...regimes]
/** The arms in the order of their runs: the slow ones come last. */
export const arms: readonly Arm[] = [...all.filter(({ layers }) => !layers), ...all.filter(({ layers }) => layers)]

export function armOf(name: string): Arm | undefined {
  return arms.find(arm => arm.name === name)
}
