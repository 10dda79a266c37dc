// Chooses the size of the images that are sent, so that the frame rate is held.

export const SIZES = [320, 480, 640, 960];
const FIRST = 640;
const SLOW = 0.85, FAST = 0.95; // shares of the rate to hold
const SLOW_SECONDS = 4; // after which images become smaller; the server lowers the quality of its strokes before
const FAST_SECONDS = 10; // after which they become larger; doubled each time that was too much
const LONGEST_SECONDS = 160;

export class AutoSize {
  constructor() {
    this.size = FIRST;
    this.patience = FAST_SECONDS;
    this.begin();
  }

  begin() {
    this.slowSince = this.fastSince = null;
  }

  // fps: of the results, null while none come; target: the rate to hold, 0 if there is none;
  // isLowered: the server has lowered the quality for it; now: in seconds. Returns whether the size changed.
  update(fps, target, isLowered, now) {
    if (!fps || !target) { this.begin(); return false; }
    this.slowSince = fps < SLOW * target ? this.slowSince ?? now : null;
    this.fastSince = fps > FAST * target && !isLowered ? this.fastSince ?? now : null;
    const level = SIZES.indexOf(this.size);
    if (this.slowSince !== null && now - this.slowSince >= SLOW_SECONDS && level > 0) {
      if (this.grown) this.patience = Math.min(2 * this.patience, LONGEST_SECONDS);
      return this.change(level - 1, false);
    }
    if (this.fastSince !== null && now - this.fastSince >= this.patience && level < SIZES.indexOf(FIRST)) return this.change(level + 1, true);
    return false;
  }

  change(level, grown) {
    this.size = SIZES[level];
    this.grown = grown;
    this.begin();
    return true;
  }

  // What is lowered, in words; "" if nothing is.
  get lowered() {
    return this.size < FIRST ? `${this.size} px` : "";
  }
}
