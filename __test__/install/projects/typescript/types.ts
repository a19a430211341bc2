import { Dataset, LimbeckError, Model, distill, type ErrorCode, type ModelOptions, type Prediction, type Run } from 'limbeck'

export const shape: ModelOptions = { mlp: { sizes: [6, 4, 3] } }

/** Every kind of public type once, as a user names it. */
export async function once(data: Dataset, teacher: Model, signal: AbortSignal): Promise<Prediction> {
  const student = Model.create(shape, { seed: 2 })
  const run: Run = distill({ teacher, student, data, losses: { kl: { temperature: 2 } }, steps: 3, signal })
  for await (const { step, loss } of run) if (step > 2 && loss < 0) break
  return student.predict({ inputs: new Float32Array(6) })
}

export function codeOf(error: unknown): ErrorCode | undefined {
  return error instanceof LimbeckError ? error.code : undefined
}

// @ts-expect-error a name that is no loss
export const wrong: Parameters<typeof distill>[0]['losses'] = { klDivergence: {} }
