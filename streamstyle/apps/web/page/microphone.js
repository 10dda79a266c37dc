// Runs in the audio thread: passes on what the microphone hears, in blocks of 20 ms at 48 kHz.

const BLOCK = 960;

class Microphone extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(BLOCK);
    this.filled = 0;
  }

  process([input]) {
    const heard = input[0];
    for (let start = 0; heard && start < heard.length; ) {
      const part = heard.subarray(start, start + BLOCK - this.filled);
      this.block.set(part, this.filled);
      this.filled += part.length;
      start += part.length;
      if (this.filled === BLOCK) {
        this.port.postMessage(this.block.slice());
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("microphone", Microphone);
