// Child processes run the compiled facade: it is brought up to date before the first test.

import { ready } from '../ts/build/ready.mjs'

export default function setup() {
  ready()
}
