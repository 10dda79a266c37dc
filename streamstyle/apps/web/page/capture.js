// The browser's own input as JPEG: the sample image or the camera.

const QUALITY = 0.85;
const MAX_BYTES = 1_500_000;

export class Capture {
  // onfresh is called when there is a new frame to take.
  constructor(onfresh) {
    this.onfresh = onfresh;
    this.width = 640;
    this.canvas = document.createElement("canvas"); // the frame that was sent last
    this.other = document.createElement("canvas"); // the one before, which may not have been shown yet
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.video.className = "hidden"; // some browsers play only videos on the page
    this.video.tabIndex = -1;
    this.video.ariaHidden = true;
    document.body.append(this.video);
    this.still = this.stream = null;
    this.sound = null; // of the microphone
  }

  async openSample() {
    this.close();
    const still = new Image();
    still.src = "/sample.jpg";
    this.still = still; // decoded or not: it may be closed meanwhile
    await still.decode();
    if (this.still !== still) return;
    this.onfresh();
  }

  // Throws what getUserMedia throws.
  async openCamera(deviceId) {
    this.close();
    const constraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    if (deviceId) constraints.deviceId = { exact: deviceId };
    else constraints.facingMode = "user";
    const stream = await navigator.mediaDevices.getUserMedia({ video: constraints, audio: false });
    this.stream = stream;
    this.video.srcObject = stream;
    await this.video.play();
    this.watch(stream);
    return stream.getVideoTracks()[0];
  }

  watch(stream) {
    const next = (step) =>
      this.video.requestVideoFrameCallback ? this.video.requestVideoFrameCallback(step) : requestAnimationFrame(step);
    const step = () => {
      if (this.stream !== stream) return;
      this.onfresh();
      next(step);
    };
    next(step);
  }

  // A track of this microphone, "default" for the browser's choice; null for "". Throws as openCamera.
  async openMicrophone(deviceId) {
    this.sound?.stop();
    this.sound = null;
    if (!deviceId) return null;
    const audio = deviceId === "default" ? true : { deviceId: { exact: deviceId } };
    this.sound = (await navigator.mediaDevices.getUserMedia({ audio, video: false })).getAudioTracks()[0];
    return this.sound;
  }

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.still = this.video.srcObject = null;
  }

  get facesAway() {
    return this.stream?.getVideoTracks()[0]?.getSettings().facingMode === "environment";
  }

  // Frames per second of the camera.
  get rate() {
    return this.stream?.getVideoTracks()[0]?.getSettings().frameRate || 30;
  }

  // The current frame as JPEG, or null if there is none.
  async take() {
    const input = this.still ?? (this.stream && this.video);
    const width = input?.videoWidth || input?.naturalWidth, height = input?.videoHeight || input?.naturalHeight;
    if (!width || !height) return null;
    [this.canvas, this.other] = [this.other, this.canvas];
    const scale = Math.min(1, this.width / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(input, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    return blob && blob.size <= MAX_BYTES ? blob : null;
  }
}
