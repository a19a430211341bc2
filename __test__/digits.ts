/** Real digits, and a teacher that is trained on them, for the specs of published methods. */
import { Dataset, Model, train } from '../ts/index.js'
import { readDemoData, type Digits } from '../ts/cli/demo-data.js'

export const convNet = (channels: number[], seed: number) =>
  Model.create({ convNet: { input: [1, 28, 28], channels, classes: 10 } }, { seed })

/** A quarter of the training rows, the test rows, and a teacher trained on the former. */
export async function taughtDigits(): Promise<{ data: Dataset; held: Dataset; teacher: Model }> {
  const digits = await readDemoData()
  const of = ({ inputs, labels }: Digits) => Dataset.from({ inputs, labels }, { inputs: [1, 28, 28], classes: 10 })
  const data = of(digits.train).split([0.25, 0.75], { seed: 1 })[0]
  const teacher = convNet([8, 16], 1)
  await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer: { adamW: { learningRate: 3e-3 } }, epochs: 4 }).finish()
  return { data, held: of(digits.test), teacher }
}
