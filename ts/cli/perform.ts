/** The frame of every command: creates the output from the flags, prints errors and sets the exit code. */
import { InvalidArgumentError, Option, type Command } from 'commander'
import { exitCodeOf } from './exit.js'
import { Output, type OutputFlags } from './output.js'

/** Runs the work of a command, which returns its exit code, or nothing for 0. */
export function perform<F extends OutputFlags>(work: (flags: F, output: Output) => Promise<number | void>) {
  return async (flags: F): Promise<void> => {
    const output = new Output(flags)
    try {
      process.exitCode = (await work(flags, output)) ?? 0
    } catch (error) {
      output.error(error)
      process.exitCode = exitCodeOf(error)
    }
  }
}

const whole = (least: number) => (value: string) => {
  const number = Number(value)
  if (/^\d+$/.test(value) && Number.isSafeInteger(number) && number >= least) return number
  throw new InvalidArgumentError(`expected an integer of at least ${least}, got ${JSON.stringify(value)}`)
}

/** An option that takes an integer of at least `least`. */
export function wholeOption(flags: string, description: string, least: number): Option {
  return new Option(flags, description).argParser(whole(least))
}

const collect = (value: string, all: string[] = []) => [...all, value]

export function withOutput(command: Command): Command {
  return command
    .option('--json', 'print one JSON object per line to stdout, and errors as JSON to stderr')
    .option('--quiet', 'print only results, warnings and errors')
}

export function withConfig(command: Command): Command {
  return command
    .option('-c, --config <file>', 'a JSON file with the configuration; its paths are relative to it')
    .option('--set <key.path=value>', 'set one value of the configuration, as JSON or text; may be repeated', collect)
}

/** Adds the options of `train` and `distill`. */
export function withRun(command: Command): Command {
  return withOutput(
    withConfig(command)
      .addOption(wholeOption('--seed <number>', 'the seed of all random numbers', 0))
      .addOption(wholeOption('--epochs <number>', 'the number of passes over the data', 1))
      .option('-o, --out <file>', 'the safetensors file for the student')
      .option('--checkpoint <folder>', 'save the state of the run there, after each epoch and on Ctrl-C')
      .option('--resume', 'continue from the newest checkpoint of the folder'),
  )
}
