// Records a canvas at a constant rate, with the microphone if it is wanted, as MP4.

import { mp4 } from "/mp4.js";

const VIDEO_CODECS = ["avc1.640028", "avc1.4d0028", "avc1.42e028", "vp09.00.40.08"];
const AUDIO_CODECS = ["mp4a.40.2", "opus"];
const AUDIO_RATE = 48_000;
const MOST_QUEUED = 12; // frames that wait for the encoder
const KEY_SECONDS = 2;
const BITS_PER_PIXEL = 0.5; // brush strokes need more than usual films

// Returns a recorder that has started: { seconds, stop() }; stop() resolves to { blob, suffix }.
// Throws an Error with a message for people.
export async function startRecorder(canvas, rate, microphone) {
  if (!window.VideoEncoder) return startSimpleRecorder(canvas, rate, microphone);
  const recorder = new Recorder(canvas, rate);
  await recorder.start(microphone);
  return recorder;
}

class Recorder {
  constructor(canvas, rate) {
    Object.assign(this, { canvas, rate, width: canvas.width & ~1, height: canvas.height & ~1 });
    this.video = []; // samples for mp4()
    this.audio = [];
    this.frames = this.heard = 0; // frames of video, samples of audio
    this.end = Infinity; // in seconds, once it is stopped
    this.error = null;
  }

  async start(microphone) {
    const { width, height, rate } = this;
    const bitrate = Math.round(Math.min(16e6, Math.max(2e6, width * height * rate * BITS_PER_PIXEL)));
    const options = VIDEO_CODECS.map((codec) => ({ codec, width, height, framerate: rate, bitrate, latencyMode: "realtime" }));
    const config = await firstSupported(VideoEncoder, options);
    if (!config) throw new Error("This browser cannot record images of this size. Snapshots work.");
    this.codec = config.codec;
    this.encoder = new VideoEncoder({
      output: (chunk, about) => {
        this.description ??= bytes(about?.decoderConfig?.description);
        this.video.push({ data: copied(chunk), isKey: chunk.type === "key" });
      },
      error: (error) => { this.error = error; },
    });
    this.encoder.configure(config.codec.startsWith("avc1") ? { ...config, avc: { format: "avc" } } : config);
    this.begin = performance.now();
    if (microphone) await this.listen(microphone);
    this.encode();
    this.clock = setInterval(() => this.encode(), 500 / rate);
  }

  get seconds() {
    return (performance.now() - this.begin) / 1000;
  }

  // Encode what is due: the picture of now for each step of time that has begun.
  encode(due = Math.floor(this.seconds * this.rate) + 1, mostQueued = MOST_QUEUED) {
    const fits = this.canvas.width >= this.width && this.canvas.height >= this.height; // not so at its end, perhaps
    while (this.frames < due && fits && !this.error) {
      if (this.encoder.encodeQueueSize > mostQueued) return; // made up for later
      const timestamp = Math.round((this.frames * 1e6) / this.rate);
      const frame = new VideoFrame(this.canvas, { timestamp, visibleRect: { x: 0, y: 0, width: this.width, height: this.height } });
      this.encoder.encode(frame, { keyFrame: this.frames % Math.round(KEY_SECONDS * this.rate) === 0 });
      frame.close();
      this.frames += 1;
    }
  }

  async listen(track) {
    const options = AUDIO_CODECS.map((codec) => ({ codec, sampleRate: AUDIO_RATE, numberOfChannels: 1, bitrate: 96_000 }));
    const config = window.AudioEncoder && (await firstSupported(AudioEncoder, options));
    if (!config) return;
    this.sound = { codec: config.codec, rate: AUDIO_RATE, channels: 1 };
    this.speech = new AudioEncoder({
      output: (chunk, about) => {
        this.sound.description ??= bytes(about?.decoderConfig?.description);
        this.audio.push({ data: copied(chunk), duration: Math.round((chunk.duration * AUDIO_RATE) / 1e6) });
      },
      error: (error) => { this.error = error; },
    });
    this.speech.configure(config);
    this.context = new AudioContext({ sampleRate: AUDIO_RATE });
    await this.context.audioWorklet.addModule("/microphone.js");
    const node = new AudioWorkletNode(this.context, "microphone", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
    this.context.createMediaStreamSource(new MediaStream([track])).connect(node);
    node.port.onmessage = ({ data }) => this.hear(data);
  }

  hear(samples) {
    if (this.speech.state !== "configured") return;
    // Sound that begins late, or has gaps, is filled with silence, so that it stays with the picture.
    this.hush(Math.min(this.seconds, this.end) - samples.length / AUDIO_RATE, this.heard ? 0.2 : 0);
    const within = samples.subarray(0, Math.max(0, Math.round(this.end * AUDIO_RATE) - this.heard));
    if (within.length) this.encodeSound(within);
  }

  // Silence up to a time, where more than `most` seconds are missing.
  hush(seconds, most = 0) {
    const end = Math.round(seconds * AUDIO_RATE);
    if (this.speech?.state !== "configured" || end - this.heard <= most * AUDIO_RATE) return;
    while (this.heard < end) this.encodeSound(new Float32Array(Math.min(AUDIO_RATE, end - this.heard)));
  }

  encodeSound(samples) {
    this.speech.encode(new AudioData({
      format: "f32-planar", sampleRate: AUDIO_RATE, numberOfChannels: 1, numberOfFrames: samples.length,
      timestamp: Math.round((this.heard * 1e6) / AUDIO_RATE), data: samples,
    }));
    this.heard += samples.length;
  }

  async stop() {
    clearInterval(this.clock);
    const last = Math.max(1, Math.round(this.seconds * this.rate));
    const { width, height, rate, codec } = this;
    this.end = last / rate;
    this.encode(last, Infinity);
    if (!this.error) await this.encoder.flush().catch((error) => { this.error ??= error; });
    this.hush(this.end); // where the microphone lags
    if (this.speech?.state === "configured") await this.speech.flush().catch(() => {});
    await this.context?.close();
    if (this.encoder.state !== "closed") this.encoder.close();
    if (!this.video.length) throw new Error(`Nothing could be recorded: ${this.error?.message ?? "no image came"}.`);
    const samples = this.video.slice(0, last);
    const blob = mp4({ codec, description: this.description, width, height, rate, samples }, this.sound && { ...this.sound, samples: this.audio });
    return { blob, suffix: "mp4" };
  }
}

// For browsers, or pages over http, without encoders of their own.
function startSimpleRecorder(canvas, rate, microphone) {
  const kinds = ["video/mp4", "video/webm;codecs=vp9,opus", "video/webm"];
  const mimeType = window.MediaRecorder && canvas.captureStream && kinds.find((kind) => MediaRecorder.isTypeSupported(kind));
  if (!mimeType) throw new Error("This browser cannot record. Snapshots work.");
  const stream = canvas.captureStream(rate), begin = performance.now(), parts = [];
  if (microphone) stream.addTrack(microphone.clone());
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 8_000_000 });
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const draw = () => canvas.getContext("2d").drawImage(canvas, 0, 0); // a canvas that nobody draws gives no frame
  const clock = setInterval(draw, 1000 / rate);
  draw();
  recorder.start(1000);
  return {
    get seconds() { return (performance.now() - begin) / 1000; },
    async stop() {
      await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
      clearInterval(clock);
      stream.getTracks().forEach((track) => track.stop());
      const blob = new Blob(parts, { type: mimeType });
      if (!blob.size) throw new Error("Nothing could be recorded.");
      return { blob, suffix: mimeType.includes("mp4") ? "mp4" : "webm" };
    },
  };
}

async function firstSupported(encoder, options) {
  for (const config of options) {
    const { supported } = await encoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (supported) return config;
  }
  return null;
}

function copied(chunk) {
  const data = new Uint8Array(chunk.byteLength);
  chunk.copyTo(data);
  return data;
}

const bytes = (buffer) => buffer && (ArrayBuffer.isView(buffer)
  ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength) : new Uint8Array(buffer));
