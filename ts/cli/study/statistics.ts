/** Statistics over few seeds: mean, standard deviation, and a paired difference with its interval. */

export interface Summary {
  count: number
  mean: number
  /** The standard deviation with n − 1; 0 for one number. */
  deviation: number
}

export function summary(values: readonly number[]): Summary {
  const count = values.length
  const mean = values.reduce((sum, value) => sum + value, 0) / count
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { count, mean, deviation: count > 1 ? Math.sqrt(squares / (count - 1)) : 0 }
}

/** The 97.5 % quantile of Student's t for 1 … 30 degrees of freedom. */
const t975 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11, 2.101, 2.093,
  2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
]

export interface Difference {
  pairs: number
  mean: number
  /** Half the width of the 95 % interval; infinite for one pair. */
  half: number
}

/** The mean of `one[seed] − other[seed]` over the seeds that both have, with the t interval of these differences. */
export function paired(one: ReadonlyMap<number, number>, other: ReadonlyMap<number, number>): Difference | undefined {
  const differences = [...one].flatMap(([seed, value]) => (other.has(seed) ? [value - other.get(seed)!] : []))
  if (differences.length === 0) return undefined
  const { count, mean, deviation } = summary(differences)
  const quantile = count < 2 ? Infinity : (t975[count - 2] ?? 1.96)
  return { pairs: count, mean, half: count < 2 ? Infinity : (quantile * deviation) / Math.sqrt(count) }
}
