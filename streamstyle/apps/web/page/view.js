// The view: source and stylized image, the divider, snapshots and recordings.

const byId = (id) => document.getElementById(id);
const frame = byId("frame"), divider = byId("divider");
const result = byId("result"), source = byId("source");
const STEP = 2, LEAP = 10; // per cent, with the keyboard

export class View {
  // onstop(message): a recording has ended.
  constructor(onstop) {
    this.onstop = onstop;
    this.recorder = null;
    this.times = [];
    this.setSplit(50);
    this.followPointer();
    divider.addEventListener("keydown", (event) => this.followKey(event));
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
      if (this.recorder) this.stop("The recording ended because the image size changed.");
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

  // Returns an error message, or null.
  record(name) {
    if (!window.MediaRecorder || !result.captureStream) return "This browser cannot record; use snapshots instead.";
    const kinds = ["video/webm;codecs=vp9", "video/webm;codecs=vp8", "video/webm", "video/mp4"];
    const mimeType = kinds.find((kind) => MediaRecorder.isTypeSupported(kind));
    if (!mimeType) return "This browser cannot record; use snapshots instead.";
    const parts = [];
    const recorder = new MediaRecorder(result.captureStream(), { mimeType, videoBitsPerSecond: 8_000_000 });
    recorder.ondataavailable = ({ data }) => parts.push(data);
    recorder.onstop = () => save(new Blob(parts, { type: mimeType }), `${name}.${mimeType.includes("mp4") ? "mp4" : "webm"}`);
    recorder.start(1000);
    this.recorder = recorder;
    this.begin = performance.now();
    this.tick();
    this.clock = setInterval(() => this.tick(), 500);
    return null;
  }

  tick() {
    const seconds = Math.floor((performance.now() - this.begin) / 1000);
    byId("recording").hidden = false;
    byId("recorded").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }

  stop(message) {
    this.recorder?.stop();
    this.recorder = null;
    clearInterval(this.clock);
    byId("recording").hidden = true;
    this.onstop(message);
  }
}

function save(blob, name) {
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
