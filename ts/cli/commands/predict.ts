/** `limbeck predict`: prints the predictions of a model, one line per row. */
import { once } from 'node:events'
import type { Command } from 'commander'
import type { Inputs, Prediction } from '../../index.js'
import { readConfig, type ConfigFlags } from '../config.js'
import { heldSpec, readRows } from '../data.js'
import { refuse, under } from '../exit.js'
import { loadModel, modelSpec } from '../models.js'
import type { Output } from '../output.js'
import { perform, withConfig, withOutput } from '../perform.js'

/** The number of rows per prediction, which bounds the memory in addition to the data. */
const ROWS = 1024

export function addPredict(program: Command): void {
  const command = program.command('predict').summary('label rows with a model')
  withOutput(withConfig(command.description('Prints for each row its label and the probability of every class.')))
    .option('-m, --model <file>', 'the model; default: "model" or "out" of the configuration')
    .option('-d, --data <rows>', 'a CSV file whose columns are the inputs, a JSON lines file with "inputs", or a data spec as JSON')
    .addHelpText(
      'after',
      `
Examples:
  $ limbeck predict --model flowers.safetensors --data new-flowers.csv
  $ limbeck predict --model flowers.safetensors --data '{ "csv": { "path": "all.csv", "columns": ["length", "width"] } }' --json

Each line has the label and the probabilities of the classes, separated by tabs. With --json:
  {"label":2,"name":"iris","probabilities":[0.01,0.04,0.95]}`,
    )
    .action(perform(predict))
}

async function predict(flags: ConfigFlags, output: Output): Promise<void> {
  const config = await readConfig(flags)
  const spec = modelSpec(config) ?? refuse('model', 'expected a model file, got nothing: --model student.safetensors')
  const model = await loadModel('model', spec)
  const { spec: data, place } = heldSpec(config)
  const { columns, options } = await readRows(place, data, model)
  const { inputNames } = options
  const { input } = model
  const width = Array.isArray(input)
    ? (input as number[]).reduce((product, side) => product * side, 1)
    : (input as { ids: { length?: number } }).ids.length
  for (const inputs of pieces(columns.inputs, width)) {
    const answer = await under(place, () => model.predict({ inputs, ...(inputNames && { inputNames }) }))
    for (let row = 0; row < answer.rows; row++) printRow(answer, row, output)
    if (process.stdout.writableNeedDrain) await once(process.stdout, 'drain')
  }
}

/** Splits the inputs into parts of `ROWS` rows; rows with different numbers of ids stay in one part. */
function* pieces(inputs: Inputs, width: number | undefined): Generator<Inputs> {
  if (width === undefined || !ArrayBuffer.isView(inputs)) return yield inputs
  const values = inputs as Float32Array
  if (values.length % width !== 0) return yield values
  for (let from = 0; from < values.length; from += ROWS * width) yield values.subarray(from, from + ROWS * width)
}

function printRow({ classes, probabilities, labels, names }: Prediction, row: number, output: Output): void {
  const own = Array.from(probabilities.subarray(row * classes, (row + 1) * classes))
  const label = labels[row]!
  const name = names?.[row]
  output.data({ label, ...(name !== undefined && { name }), probabilities: own })
  output.answer([name ?? String(label), ...own.map(probability => probability.toFixed(6))].join('\t'))
}
