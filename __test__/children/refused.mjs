/** Uses the library while the system refuses memory or threads; prints the result, and that the process continues. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const [, , library, how, what, limit] = process.argv
const { Dataset, Model, analyse, train } = await import(library)
process.removeAllListeners('warning')
const large = how === 'large'
const [rows, width, classes] = large ? [20_000, 2, 1_000_000] : how === 'threads' ? [64, 8, 3] : [512, 256, 2_000]
const inputs = () => Float32Array.from({ length: rows * width }, (_, at) => Math.sin(at))
const labels = () => Uint32Array.from({ length: rows }, (_, at) => at % 3)
const of = hidden => Model.create({ input: [width], layers: [...hidden, { linear: { outputs: classes } }] }, { seed: 1 })
const hidden = how === 'limit' ? [{ linear: { outputs: 3_000, activation: 'relu' } }] : []
const [model, teacher] = [of(hidden), of(hidden)]
const data = Dataset.from({ inputs: inputs(), labels: labels() }, { inputs: [width], classes })
const losses = { crossEntropy: {} }
const run = (more = {}) => train({ student: model, data, losses, batchSize: large ? rows : 256, steps: 2, proofs: 'off', ...more })
const uses = {
  predict: () => model.predict({ inputs: inputs() }),
  serve: () => model.serve().predict({ inputs: inputs() }),
  train: () => run().finish(),
  check: () => run().check(),
  evaluate: () => model.evaluate(data),
  logits: () => model.logits(data),
  analyse: () => analyse({ student: model, teacher, data, diagnostics: { entropy: {} } }),
  take: () => Dataset.take({ inputs: inputs(), labels: labels() }, { inputs: [width], classes }),
  normalization: () => data.normalization(),
  save: () => model.save('/never/never.safetensors'),
  load: () => Model.load('/never/never.safetensors'),
  many: () => Promise.all(Array.from({ length: 300 }, () => model.evaluate(data).catch(({ code }) => code))),
}
process.on('unhandledRejection', error => {
  console.log('unhandled', error)
  process.exit(3)
})
if (how === 'limit') {
  // The limit is relative to the address space that the process has before.
  await teacher.predict({ inputs: new Float32Array(width) })
  const size = Number(/VmSize:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
  execFileSync('prlimit', [`--as=${size + Number(limit)}`, '--pid', String(process.pid)])
}
if (how === 'threads') execFileSync('prlimit', [`--nproc=${limit}`, '--pid', String(process.pid)])
console.log('begins')
await uses[what]().then(
  answer => console.log('done', Array.isArray(answer) ? answer.length : ''),
  ({ code, message }) => console.log(code, message),
)
await new Promise(resolve => setTimeout(resolve, 50))
console.log('lives')
process.exit(0)
