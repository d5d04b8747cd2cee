/**
 * Whether the view follows a growing transcript, from what the scroll box reports. Only a hand lets go (wheel,
 * keys, scroll bar, touch): the list itself also moves the box, when a turn turns out lower than was guessed.
 * The first wheel tick up lets go at once, however small; scrolling down to the end takes hold again.
 */
export const NEAR_END = 32

export interface Place {
  top: number
  /** Pixels below the lower edge. */
  below: number
}

export function followsAfterScroll(
  following: boolean,
  before: Place,
  after: Place,
  byHand: boolean,
): boolean {
  if (!byHand) return following
  if (after.top > before.top) return following || after.below <= NEAR_END
  if (after.top < before.top) return following && after.below <= NEAR_END
  return following
}
