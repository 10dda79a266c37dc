// The view: source and stylized image, the divider, snapshots and recordings.

import { startRecorder } from "/recorder.js";

const byId = (id) => document.getElementById(id);
const frame = byId("frame"), divider = byId("divider");
const result = byId("result"), source = byId("source");
const STEP = 2, LEAP = 10; // per cent, with the keyboard

export class View {
  // onrecording(isRecording, message): a recording has begun or ended.
  constructor(onrecording) {
    this.onrecording = onrecording;
    this.recorder = null; // a promise of one
    this.times = [];
    this.setSplit(50);
    this.followPointer();
    divider.addEventListener("keydown", (event) => this.followKey(event));
    document.addEventListener("fullscreenchange", () => this.followScreen());
  }

  // Full screen begins with the stylized image alone; the divider waits at the edge.
  followScreen() {
    if (document.fullscreenElement) {
      this.splitBefore = this.split;
      this.setSplit(0);
    } else this.setSplit(this.splitBefore);
  }

  setSplit(percent) {
    this.split = Math.min(100, Math.max(0, percent));
    document.documentElement.style.setProperty("--split", `${this.split}%`);
    divider.setAttribute("aria-valuenow", Math.round(this.split));
    divider.setAttribute("aria-valuetext", `${Math.round(this.split)} % source`);
    frame.classList.toggle("no-source", this.split < 14);
    frame.classList.toggle("no-result", this.split > 86);
  }

  followPointer() {
    const move = (event) => {
      const box = frame.getBoundingClientRect();
      this.setSplit((100 * (event.clientX - box.left)) / box.width);
    };
    divider.addEventListener("pointerdown", (event) => {
      divider.setPointerCapture(event.pointerId);
      divider.onpointermove = move;
    });
    const end = () => (divider.onpointermove = null);
    divider.addEventListener("pointerup", end);
    divider.addEventListener("pointercancel", end);
    divider.addEventListener("dblclick", () => this.setSplit(this.split > 1 ? 0 : 50));
  }

  followKey(event) {
    const steps = { ArrowLeft: -STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowUp: STEP, PageDown: -LEAP, PageUp: LEAP, Home: -100, End: 100 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    event.stopPropagation();
    this.setSplit(this.split + steps[event.key]);
  }

  // stylized, original: image sources for a canvas; the original is mirrored here if the server mirrored it.
  show(stylized, original, mirrored) {
    const { width, height } = stylized;
    if (result.width !== width || result.height !== height) {
      this.stop("The size of the image changed.");
      result.width = source.width = width;
      result.height = source.height = height;
      document.documentElement.style.setProperty("--ratio", width / height);
    }
    const context = source.getContext("2d");
    context.setTransform(mirrored ? -1 : 1, 0, 0, 1, mirrored ? width : 0, 0);
    context.drawImage(original, 0, 0, width, height);
    result.getContext("2d").drawImage(stylized, 0, 0);
    const now = performance.now();
    this.times = [...this.times.filter((time) => now - time < 2000), now];
  }

  // Frames per second, or null while none arrive.
  get fps() {
    const times = this.times.filter((time) => performance.now() - time < 2000);
    const span = times.length > 2 ? times[times.length - 1] - times[0] : 0;
    return span > 200 ? (1000 * (times.length - 1)) / span : null;
  }

  async snapshot(name) {
    const blob = await new Promise((done) => result.toBlob(done, "image/png"));
    save(blob, `${name}.png`);
  }

  get isRecording() {
    return this.recorder !== null;
  }

  // microphone: a track of sound, or null.
  async record(name, rate, microphone) {
    if (this.recorder) return;
    const starting = startRecorder(result, rate, microphone);
    Object.assign(this, { recorder: starting, name });
    try {
      this.started = await starting;
    } catch (error) {
      this.recorder = null;
      this.onrecording(false, error.message);
      return;
    }
    if (this.recorder !== starting) return; // stopped meanwhile
    this.tick();
    this.clock = setInterval(() => this.tick(), 500);
    this.onrecording(true, "");
  }

  tick() {
    const seconds = Math.floor(this.started.seconds);
    byId("recording").hidden = false;
    byId("recorded").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  // Ends the recording, if there is one, and saves it; why: a sentence, or "".
  async stop(why) {
    const { recorder, name } = this;
    if (!recorder) return;
    this.recorder = null;
    clearInterval(this.clock);
    byId("recording").hidden = true;
    this.onrecording(false, "");
    try {
      const recorded = await (await recorder).stop();
      save(recorded.blob, `${name}.${recorded.suffix}`);
      this.onrecording(false, `${why} The recording is in your downloads.`.trim());
    } catch (error) {
      this.onrecording(false, error.message);
    }
  }
}

export function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
