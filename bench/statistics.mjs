// Statistics of a list of times: the minimum shows the speed of the code, the median what users see.

/** The quantile `part` (0 … 1) of a list, with linear interpolation between two entries. */
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
