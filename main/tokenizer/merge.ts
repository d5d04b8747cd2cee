/**
 * Merges neighbouring symbols, best pair first and leftmost among equals, until no pair can be merged: what both
 * byte-pair encoding (rank of the merge) and SentencePiece (score of the merged token) do. A heap over a linked
 * list, so that 100 kB without a single space take time n·log n.
 */

/** Lower is sooner; Infinity: the two do not merge. Offsets: the pair is [from, to), cut at `middle`. */
export type PairOrder = (from: number, middle: number, to: number) => number

// Scratch space, reused: one word at a time is merged, and most have a handful of symbols.
let capacity = 0
let next = new Int32Array(0)
let previous = new Int32Array(0)
let order = new Float64Array(0)

/**
 * `starts`: where each symbol begins, with the end of the text as its last element. Returns the same for what is
 * left after merging.
 */
export function mergeSymbols(starts: ArrayLike<number>, pairOrder: PairOrder): number[] {
  const count = starts.length - 1
  if (count > capacity) {
    capacity = Math.max(64, 2 * count)
    next = new Int32Array(capacity + 1)
    previous = new Int32Array(capacity + 1)
    order = new Float64Array(capacity + 1)
  }
  const heap = new Heap()
  // order[i]: of the pair that begins with symbol i, as it stands now; heap entries that differ are stale.
  const consider = (left: number): void => {
    const right = next[left] as number
    if (right >= count) {
      order[left] = Infinity
      return
    }
    const rank = pairOrder(
      starts[left] as number,
      starts[right] as number,
      starts[next[right] as number] as number,
    )
    order[left] = rank
    if (rank !== Infinity) heap.push(rank, left)
  }

  for (let i = 0; i <= count; i++) {
    next[i] = i + 1
    previous[i] = i - 1
  }
  for (let i = 0; i < count; i++) consider(i)
  while (heap.size > 0) {
    const rank = heap.topKey
    const left = heap.pop()
    // Equal order at the same place is the same turn, whichever pair it was pushed for.
    if (order[left] !== rank) continue
    const gone = next[left] as number
    const after = next[gone] as number
    order[gone] = Infinity
    next[left] = after
    previous[after] = left
    consider(left)
    if ((previous[left] as number) >= 0) consider(previous[left] as number)
  }

  const merged: number[] = []
  for (let i = 0; i < count; i = next[i] as number) merged.push(starts[i] as number)
  merged.push(starts[count] as number)
  return merged
}

/** Binary min-heap of (key, index); equal keys come out by ascending index. */
class Heap {
  size = 0
  private keys: number[] = []
  private indices: number[] = []

  get topKey(): number {
    return this.keys[0] as number
  }

  push(key: number, index: number): void {
    let at = this.size++
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(key, index, this.keys[parent] as number, this.indices[parent] as number)) break
      this.put(at, parent)
      at = parent
    }
    this.keys[at] = key
    this.indices[at] = index
  }

  pop(): number {
    const top = this.indices[0] as number
    const last = --this.size
    const key = this.keys[last] as number
    const index = this.indices[last] as number
    let at = 0
    for (let child = 1; child < last; child = 2 * at + 1) {
      const other = child + 1
      if (
        other < last &&
        before(
          this.keys[other] as number,
          this.indices[other] as number,
          this.keys[child] as number,
          this.indices[child] as number,
        )
      ) {
        child = other
      }
      if (!before(this.keys[child] as number, this.indices[child] as number, key, index)) break
      this.put(at, child)
      at = child
    }
    this.keys[at] = key
    this.indices[at] = index
    return top
  }

  private put(at: number, from: number): void {
    this.keys[at] = this.keys[from] as number
    this.indices[at] = this.indices[from] as number
  }
}

function before(key: number, index: number, otherKey: number, otherIndex: number): boolean {
  return key < otherKey || (key === otherKey && index < otherIndex)
}
