// What a list of times says: the minimum shows the code, the median the user.

/** The value below which `part` (0 … 1) of the sorted list lies, between two entries by straight line. */
export function quantile(values, part) {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (sorted.length - 1) * part
  const low = Math.floor(at)
  const high = Math.ceil(at)
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low)
}

export function summary(values) {
  return {
    n: values.length,
    median_ms: quantile(values, 0.5),
    min_ms: Math.min(...values),
    p20_ms: quantile(values, 0.2),
    p80_ms: quantile(values, 0.8),
  }
}
