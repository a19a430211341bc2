// Generates digits of a seven-segment display, shifted, faint and noisy: data that need no download.

export const SIDE = 28
export const SIZE = SIDE * SIDE

/** Strokes of each digit: top, upper left, upper right, middle, lower left, lower right, bottom. */
const strokes = ['1110111', '0010010', '1011101', '1011011', '0111010', '1101011', '1101111', '1010010', '1111111', '1111011']
/** The rectangle of each stroke: x, y, width, height. */
const places = [
  [8, 4, 12, 3],
  [8, 4, 3, 11],
  [17, 4, 3, 11],
  [8, 12, 12, 3],
  [8, 12, 3, 11],
  [17, 12, 3, 11],
  [8, 20, 12, 3],
]

/** `count` images as bytes, and their labels; the same for the same seed. */
export function digits(count, seed) {
  let state = seed >>> 0
  const draw = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32
  const inputs = new Uint8Array(count * SIZE)
  const labels = new Uint32Array(count)
  for (let row = 0; row < count; row++) {
    const image = inputs.subarray(row * SIZE, (row + 1) * SIZE)
    const label = (labels[row] = Math.floor(draw() * 10))
    const [right, down, ink] = [Math.floor(draw() * 13) - 6, Math.floor(draw() * 7) - 3, 60 + draw() * 120]
    for (const [at, [x, y, width, height]] of places.entries()) {
      // A stroke may be missing, or be added.
      if ((strokes[label][at] === '1') !== draw() < 0.97) continue
      for (let i = 0; i < height; i++) image.fill(ink, (y + down + i) * SIDE + x + right, (y + down + i) * SIDE + x + right + width)
    }
    for (let pixel = 0; pixel < SIZE; pixel++) image[pixel] = Math.min(255, image[pixel] + draw() * 90)
  }
  return { inputs, labels }
}
