// What this browser sees, as JPEG: the sample image or its camera.

const QUALITY = 0.85;
const MOST_BYTES = 1_500_000;

export class Capture {
  // onfresh is called when there is a new image to take.
  constructor(onfresh) {
    this.onfresh = onfresh;
    this.width = 640;
    this.canvas = document.createElement("canvas"); // of the image that was sent last;
    this.other = document.createElement("canvas"); // the one before may still have to be shown
    this.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true });
    this.video.className = "hidden"; // some browsers play only what is on the page
    this.video.tabIndex = -1;
    this.video.ariaHidden = true;
    document.body.append(this.video);
    this.still = null;
    this.stream = null;
  }

  async openSample() {
    this.close();
    const still = new Image();
    still.src = "/sample.jpg";
    await still.decode();
    this.still = still;
    this.onfresh();
  }

  // Throws what getUserMedia throws.
  async openCamera(deviceId) {
    this.close();
    const wanted = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
    if (deviceId) wanted.deviceId = { exact: deviceId };
    else wanted.facingMode = "user";
    const stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
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

  close() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = this.still = this.video.srcObject = null;
  }

  get facesAway() {
    return this.stream?.getVideoTracks()[0]?.getSettings().facingMode === "environment";
  }

  // A JPEG of what is seen now, or null where nothing is.
  async take() {
    const seen = this.still ?? (this.stream && this.video);
    const width = seen?.videoWidth || seen?.naturalWidth, height = seen?.videoHeight || seen?.naturalHeight;
    if (!width || !height) return null;
    [this.canvas, this.other] = [this.other, this.canvas];
    const scale = Math.min(1, this.width / Math.max(width, height));
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.getContext("2d").drawImage(seen, 0, 0, this.canvas.width, this.canvas.height);
    const blob = await new Promise((done) => this.canvas.toBlob(done, "image/jpeg", QUALITY));
    return blob && blob.size <= MOST_BYTES ? blob : null;
  }
}
