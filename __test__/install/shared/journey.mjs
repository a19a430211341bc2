// The program of every project: trains a teacher, distils a student, saves it, loads it, and predicts.

import { mkdtempSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Dataset, Model, distill, train } from 'limbeck'

const rows = 300

/** Noisy clusters on six axes, one per class. */
function clusters() {
  let state = 1
  const draw = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5
  const labels = Uint32Array.from({ length: rows }, (_, row) => row % 3)
  const inputs = Float32Array.from({ length: rows * 6 }, (_, at) => ((at % 6) % 3 === labels[Math.floor(at / 6)] ? 1.5 : 0) + draw())
  return { inputs, labels }
}

/** One line of text, or an error. */
export async function journey() {
  const { inputs, labels } = clusters()
  const data = Dataset.from({ inputs, labels }, { inputs: [6], classes: 3 })
  const teacher = Model.create({ mlp: { sizes: [6, 32, 3] } }, { seed: 1 })
  const optimizer = { adamW: { learningRate: 0.01 } }
  await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer, epochs: 5 }).finish()
  const student = Model.create({ mlp: { sizes: [6, 4, 3] } }, { seed: 2 })
  for await (const { loss } of distill({ teacher, student, data, losses: { kl: { temperature: 2 } }, optimizer, epochs: 20 })) {
    if (!Number.isFinite(loss)) throw new Error(`expected a finite loss, got ${loss}`)
  }
  const folder = mkdtempSync(path.join(process.cwd(), 'saved-'))
  const file = path.join(folder, 'student.safetensors')
  await student.save(file)
  const loaded = await Model.load(file)
  rmSync(folder, { recursive: true })
  const { labels: answers } = await loaded.predict({ inputs })
  const right = labels.reduce((sum, label, row) => sum + (answers[row] === label), 0)
  if (right < 0.9 * rows) throw new Error(`expected at least 270 right answers, got ${right}`)
  return `works: ${right} of ${rows} right`
}
