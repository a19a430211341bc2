// Causes a panic at each point in LIMBECK_PANIC_PLACES, one after the other, in one process that must not end.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { analyse, Dataset, Ensemble, Model, Teacher, Tokenizer, distill, doctor, memory, train } from 'limbeck'
import { calling } from '../../dist/errors.js'
import { models } from '../../dist/native/handles.js'
import { native } from '../../dist/native/load.js'

const folder = mkdtempSync(path.join(tmpdir(), 'limbeck-panics-'))
const rows = 48
const columns = {
  inputs: Float32Array.from({ length: rows * 4 }, (_, at) => Math.sin(at)),
  labels: Uint32Array.from({ length: rows }, (_, row) => row % 3),
}
const make = () => Dataset.from(columns, { inputs: [4], classes: 3 })
const model = () => Model.create({ mlp: { sizes: [4, 8, 3] } }, { seed: 1 })
const data = make()
const student = model()
const options = { data, losses: { crossEntropy: {} }, steps: 3, batchSize: 16, reportEvery: 1, proofs: 'off' }
const one = columns.inputs.subarray(0, 4)
const file = JSON.stringify({ version: '1.0', pre_tokenizer: { type: 'Whitespace' }, model: { type: 'WordLevel', unk_token: 'a', vocab: { a: 0 } } })
const tokenizer = Tokenizer.fromJson(file)
const begun = async work => {
  const run = train({ student, ...options, checkpoint: { folder: mkdtempSync(path.join(folder, 'run-')) } })
  try {
    await run.next()
    await work(run)
  } finally {
    run.dispose()
  }
}

/** Code that reaches each point; a point without an entry is reached by a whole run. */
const passing = {
  'dataset.create': () => make(),
  'dataset.describe': () => make().classes,
  'dataset.select': () => data.select([0, 1]),
  'dataset.split': () => data.split([0.5, 0.5]),
  'dataset.batch': () => distill({ student, teacher: Teacher.fromFunction(() => new Float32Array(3 * rows)), ...options, losses: { kl: {} } }).finish(),
  'model.create': () => model(),
  'model.describe': () => student.classes,
  'model.summary': () => student.summary(),
  'model.parameter': () => student.parameters().map(({ values }) => values),
  'model.predictSync': () => student.predictSync({ inputs: one }),
  'model.assume': () => calling(() => models.get(student).assume(models.get(model()))),
  'ensemble.new': () => Ensemble.of([student, model()]),
  'tokenizer.from_json': () => Tokenizer.fromJson(file),
  'tokenizer.describe': () => Tokenizer.fromJson(file),
  'tokenizer.encode_sync': () => Dataset.from({ texts: ['a'] }, { tokenizer }),
  'tokenizer.decode': () => tokenizer.decode([0]),
  analyse: () => analyse({ student, data, diagnostics: { entropy: {} } }),
  predictor: () => student.predict({ inputs: one }),
  'pool.enter': () => student.predict({ inputs: one }),
  call: () => student.save(path.join(folder, 'model.safetensors')),
  reply: () => student.predict({ inputs: one }),
  'stream.push': () => {
    const { batchSize, ...rest } = options
    return train({ student, ...rest, data: [{ inputs: columns.inputs, labels: columns.labels }] }).finish()
  },
  'job.checkpoint': () => begun(run => run.checkpoint()),
  'job.stop': () => begun(run => run.return()),
  doctor: () => doctor(),
  schema: () => native().schema(),
  memory: () => memory(),
}
const whole = () => train({ student, ...options }).finish()

let failed = false
for (const place of process.env.LIMBECK_PANIC_PLACES.split(',')) {
  process.env.LIMBECK_PANIC_AT = place
  let code = 'nothing'
  try {
    await (passing[place] ?? whole)()
  } catch (error) {
    code = error.code ?? String(error)
  }
  delete process.env.LIMBECK_PANIC_AT
  const next = await train({ student: model(), ...options }).finish().then(({ steps }) => steps, error => error.code)
  // `schema` is called without the facade, so its errors are not converted.
  const expected = place === 'schema' ? 'GenericFailure' : 'ERR_LIMBECK_INTERNAL'
  if (code !== expected || next !== 3) {
    failed = true
    console.error(`FAILED ${place}: expected ${expected} and 3 steps, got ${code} and ${next}`)
  }
}
rmSync(folder, { recursive: true })
console.log(JSON.stringify({ places: process.env.LIMBECK_PANIC_PLACES.split(',').length }))
process.exitCode = failed ? 1 : 0
