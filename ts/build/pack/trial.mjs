// Runs on the platform under test, in a folder where limbeck was installed from its tarballs: it trains a teacher, distils a
// student from it, saves, loads and uses the student, and runs the golden files next to this program. Prints one line of JSON.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Dataset, distill, doctor, Model, train } from 'limbeck'

const here = path.dirname(fileURLToPath(import.meta.url))
const [rows, width, classes] = [256, 8, 4]
const labels = Uint32Array.from({ length: rows }, (_, row) => row % classes)
const inputs = Float32Array.from({ length: rows * width }, (_, at) => {
  const row = Math.floor(at / width)
  return 0.3 * Math.sin(at * 12.9898) + (at % width === labels[row] ? 1 : 0)
})
const data = Dataset.from({ inputs, labels }, { inputs: [width], classes })

const teacher = Model.create({ mlp: { sizes: [width, 32, classes] } }, { seed: 1 })
await train({ student: teacher, data, losses: { crossEntropy: {} }, epochs: 10, seed: 1 }).finish()

const student = Model.create({ mlp: { sizes: [width, 16, classes] } }, { seed: 2 })
const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 2 } }
const heard = []
for await (const { loss } of distill({ teacher, student, data, losses, epochs: 60, reportEvery: 20, seed: 3 })) heard.push(loss)
assert(heard.at(-1) < heard[0], `the loss did not fall: ${heard[0]} to ${heard.at(-1)}`)

const file = path.join(here, 'student.safetensors')
await student.save(file)
const again = await Model.load(file)
const before = await student.predict({ inputs })
const after = await again.predict({ inputs })
assert.deepEqual(after.logits, before.logits, 'the saved and loaded model has other predictions')
const right = after.labels.filter((label, row) => label === labels[row]).length / rows
assert(right > 0.9, `expected an accuracy above 0.9, got ${right}`)

/** Golden cases have no public API, so the binding is loaded directly. */
const { golden } = createRequire(import.meta.url)(path.join(here, 'node_modules/limbeck/ts/native/binding.js'))
const outcomes = { passed: 0, failed: [] }
const folder = path.join(here, 'golden')
for (const kind of readdirSync(folder)) {
  for (const name of readdirSync(path.join(folder, kind))) {
    for (const { case: where, arithmetic, ok, message } of JSON.parse(await golden(readFileSync(path.join(folder, kind, name), 'utf8'), kind))) {
      if (ok === true) outcomes.passed++
      else outcomes.failed.push(`${kind}/${where}, ${arithmetic}: ${message ?? 'not known'}`)
    }
  }
}
assert(outcomes.passed > 0, 'no golden case was run')
assert.deepEqual(outcomes.failed, [])

const { instructions, threads } = doctor()
const { node } = process.versions
console.log(JSON.stringify({ node, arch: process.arch, instructions, threads, right, saved: statSync(file).size, golden: outcomes.passed }))
