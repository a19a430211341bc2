// Trains in the background, and serves the new student when it is better.

import { Dataset, distill, Model, train } from 'limbeck'
import { digits, SIDE } from './digits.mjs'

const convNet = (channels, seed) => Model.create({ convNet: { input: [1, SIDE, SIDE], channels, classes: 10 } }, { seed })
const optimizer = { adamW: { learningRate: 2e-3 } }
const columns = { inputs: [1, SIDE, SIDE], classes: 10 }

export class Trainer {
  /** The accuracy of the serving student on held-out rows. */
  accuracy = 0
  rounds = 0
  #stop = new AbortController()
  #round
  #teacher

  constructor({ rows, epochs, channels }) {
    this.epochs = epochs
    this.rows = rows
    this.held = Dataset.from(digits(2000, 2), columns)
    this.student = convNet(channels, 1)
  }

  get running() {
    return this.#round !== undefined
  }

  /** Starts a round; returns whether it started. Errors are logged and not thrown. */
  begin(service) {
    if (this.running || this.#stop.signal.aborted) return false
    this.#round = this.#train(service)
      .catch(error => {
        if (!this.#stop.signal.aborted) console.error('training failed:', error)
      })
      .finally(() => (this.#round = undefined))
    return true
  }

  /** Ends a round after its current operation; the student does not change. */
  async stop() {
    this.#stop.abort(new Error('the server stops'))
    await this.#round
  }

  async #train(service) {
    const { signal } = this.#stop
    const data = Dataset.from(digits(this.rows, 3 + this.rounds), columns)
    try {
      if (this.#teacher === undefined) {
        const teacher = convNet([16, 32], 2)
        await train({ student: teacher, data, losses: { crossEntropy: {} }, optimizer, epochs: 2, signal }).finish()
        this.#teacher = teacher
      }
      await this.#improve(service, data)
      this.rounds++
    } finally {
      data.dispose()
    }
  }

  async #improve(service, data) {
    const next = this.student.clone()
    try {
      const { signal } = this.#stop
      const losses = { crossEntropy: { weight: 0.3 }, kl: { weight: 0.7, temperature: 3 } }
      await distill({ teacher: this.#teacher, student: next, data, losses, optimizer, epochs: this.epochs, signal }).finish()
      const { accuracy } = await next.evaluate(this.held)
      console.log(`round ${this.rounds + 1}: ${(100 * accuracy).toFixed(1)} %, in service ${(100 * this.accuracy).toFixed(1)} %`)
      if (accuracy <= this.accuracy) return
      await service.swap(next)
      this.student.dispose()
      Object.assign(this, { student: next, accuracy })
    } finally {
      if (this.student !== next) next.dispose()
    }
  }
}
