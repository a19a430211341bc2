/** Checks of the public types; compiled, never run. */
import {
  Dataset,
  distill,
  distillChain,
  Model,
  train,
  type DistillOptions,
  type LimbeckError,
  type Recipe,
  type ServedPrediction,
  type ServiceStats,
  type StepReport,
  type TeacherBatch,
} from '../ts/index.js'

declare const data: Dataset
declare const student: Model
const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } }

export async function use(signal: AbortSignal): Promise<void> {
  for await (const report of distill({ student, teacher: student, data, losses, signal })) {
    const { step, terms, validation }: StepReport = report
    const numbers: [number, number | undefined, number | undefined] = [step, terms.kl, validation?.accuracy]
    void numbers
  }
  const { keptStep } = await train({ student, data, losses: { crossEntropy: {} }, schedule: { oneCycle: {} }, optimizer: { adamW: {} } }).finish()
  keptStep.toFixed()
  Model.create({ convNet: { input: [1, 28, 28], channels: [4, 8], classes: 10 } }, { seed: 1 })
  Model.create({ input: [8], layers: [{ residual: { layers: [{ linear: { outputs: 8 } }] } }, { linear: { outputs: 3, activation: 'gelu' } }] })

  const recipe: Recipe = { optimizer: { sgd: { learningRate: 0.05 } }, schedule: { oneCycle: {} }, epochs: 20 }
  const partial: Partial<DistillOptions> = recipe
  distill({ ...partial, student, teacher: student, data, losses })
  train({ ...recipe, student, data, losses: { crossEntropy: {} } })
  const whole = { losses: { crossEntropy: {} }, epochs: 2 } satisfies Recipe
  distillChain({ ...whole, teacher: student, students: [student], data })
  // @ts-expect-error A recipe has no model.
  const none: Recipe = { student }
  void none
  const { macroF1 } = await student.evaluate(data, { metrics: { macroF1: {}, loss: {} } })
  void macroF1
  // @ts-expect-error There is no such metric.
  await student.evaluate(data, { metrics: { f1: {} } })
  train({ student, data, losses: { crossEntropy: {} }, metric: 'calibrationError' })

  // @ts-expect-error Unknown loss.
  train({ student, data, losses: { crossEntropie: {} } })
  // @ts-expect-error Unknown key of a loss.
  distill({ student, data, losses: { kl: { temprature: 4 } } })
  // @ts-expect-error The losses are missing.
  train({ student, data })
  // @ts-expect-error The student is missing.
  train({ data, losses })
  // @ts-expect-error `train` has no teacher.
  train({ student, data, losses, teacher: student })
  // @ts-expect-error There is no such optimizer.
  train({ student, data, losses, optimizer: { sgdd: {} } })
  // @ts-expect-error There is no such kind of labels.
  Dataset.from({ inputs: new Float32Array(8) }, { labels: 'many' })
  // @ts-expect-error Models are created by `create` and `load`.
  new Model()
}

export async function serve(signal: AbortSignal | undefined): Promise<void> {
  const to = async ({ rows, contexts }: TeacherBatch) => new Float32Array(rows * 10 + (contexts?.length ?? 0))
  await using service = student.serve({ maxBatch: 8, shadow: { model: student, fraction: 0.2 }, fallback: { below: 0.6, to } })
  const { answeredBy, generation, probabilities }: ServedPrediction = await service.predict({ inputs: [1, 2] }, { signal, deadlineMs: 5, context: { url: '/' } })
  const said: ['model' | 'fallback' | undefined, number, number | undefined] = [answeredBy[0], generation, probabilities[0]]
  void said
  await service.swap(student)
  const { latencyMs, shadow }: ServiceStats = service.stats()
  const quantiles: [number | null, number | null | undefined] = [latencyMs.p99, shadow?.agreement]
  void quantiles
  await service.drain({ deadlineMs: 100 })
  // @ts-expect-error Unknown option.
  student.serve({ maxbatch: 8 })
  // @ts-expect-error A fallback needs `below`.
  student.serve({ fallback: { to } })
  // @ts-expect-error A service needs a model.
  await service.swap('student.safetensors')
}

export const codeOf = (error: LimbeckError): 'ERR_LIMBECK_IO' | string => error.code
