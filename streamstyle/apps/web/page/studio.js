// The page: inputs, messages and keys; connects the other modules.

import { Capture } from "/capture.js";
import { Connection } from "/connection.js";
import { Controls } from "/controls.js";
import { View } from "/view.js";

const byId = (id) => document.getElementById(id);
const MESSAGE_TIME = 7000, STILL_TIME = 1500, STILL_STEP = 40; // milliseconds

// The key is in a cookie now; remove it from the address bar, so that a copied link does not reveal it.
history.replaceState(null, "", location.pathname);

let input = "sample"; // sample, camera, machine, clip
let served = "browser"; // the input that the server is using: browser, machine, clip
let welcome = null;
let file = null; // the clip, kept to upload it again after a reconnection
let isUploaded = false; // the server has the clip
let ownControls = null; // of this browser's own stylizer
let inFlight = false, fresh = false, taken = 0, latency = null, awakeUntil = 0;
let shown = Promise.resolve(); // resolves when the last received frame has been shown
let upload = null;
let isCameraLost = false; // the server's

const view = new View((message) => {
  byId("record").setAttribute("aria-pressed", false);
  byId("record").textContent = "Record";
  if (message) say(message);
});
const capture = new Capture(() => { fresh = true; sendFrame(); });
const controls = new Controls((values) => { connection.send({ want: values }); refreshSample(); });
const connection = new Connection({
  welcome: greet,
  controls(values) {
    if (served !== "machine") ownControls = values;
    controls.show(values);
    refreshSample();
  },
  input(name) {
    served = name;
    inFlight = false;
    if (isBrowser()) sendFrame();
    else requestFrame();
  },
  status: (status) => showStatus(status),
  refused(message, answersFrame) {
    say(message);
    if (controls.values) controls.show(controls.values);
    if (!answersFrame) return;
    inFlight = false;
    if (isBrowser()) setTimeout(sendFrame, 500);
    else if (input === "clip") { // it cannot be played any further
      isUploaded = false;
      file = null;
      switchTo("sample");
    }
  },
  frame: showFrame,
  lost(message) {
    inFlight = false;
    byId("state").textContent = "offline";
    byId("state").className = "away";
    showProblem(message);
  },
});

const isBrowser = () => input === "sample" || input === "camera";

function greet(values) {
  const again = welcome !== null;
  welcome = values;
  showProblem("");
  byId("state").textContent = values.device;
  byId("state").className = "";
  showLowered({});
  byId("machine-choice").hidden = !values.machine;
  byId("limit").textContent = `Clips of up to ${Math.round(values.most_clip_bytes / 1e6)} MB are stored on the server and deleted when you leave.`;
  controls.setStyles(values.styles);
  served = "browser";
  inFlight = isUploaded = false;
  if (again) {
    say("Reconnected.");
    if (ownControls) connection.send({ want: { ...ownControls, style: mixture(ownControls.style) } });
    if (input === "clip" && file) uploadClip(file);
    else if (input === "machine") connection.send({ input: "machine" });
    else { sendRate(); fresh = true; refreshSample(); }
  } else if (values.machine) switchTo("machine");
  else switchTo("sample");
}

const mixture = (shares) => Object.entries(shares).map(([name, part]) => `${part}*${name}`).join("+");

// Send a new frame, unless one is in flight.
async function sendFrame() {
  if (inFlight || !fresh || !isBrowser() || served !== "browser" || !connection.isOpen) return;
  inFlight = true;
  fresh = false;
  const time = performance.now();
  const jpeg = await capture.take();
  if (jpeg && connection.isOpen) {
    taken = time;
    connection.sendFrame(jpeg);
  } else inFlight = false;
}

function requestFrame() {
  if (inFlight || isBrowser() || served !== input || !connection.isOpen) return;
  inFlight = true;
  taken = performance.now();
  connection.send({ ready: true });
}

// While a frame is being decoded, the next one is requested.
async function showFrame(sourceBlob, resultBlob) {
  const own = isBrowser(), canvas = capture.canvas, time = taken, before = shown;
  shown = (async () => {
    const [stylized, original] = await Promise.all([createImageBitmap(resultBlob), sourceBlob && createImageBitmap(sourceBlob)]);
    await before;
    if (own === !original && own === isBrowser()) { // otherwise it belongs to the previous input
      byId("frame").classList.remove("waiting");
      view.show(stylized, original ?? canvas, input !== "machine" && controls.values?.mirror);
      if (own) latency = latency === null ? performance.now() - time : 0.9 * latency + 0.1 * (performance.now() - time);
    }
    stylized.close();
    original?.close();
  })().catch(() => {}); // the next one arrives soon
  await before;
  inFlight = false;
  if (!isBrowser()) requestFrame();
  else if (input === "camera") sendFrame();
  else if (performance.now() < awakeUntil) setTimeout(() => { fresh = true; sendFrame(); }, STILL_STEP);
}

// The sample is sent again only for a while after a change.
function refreshSample() {
  if (input !== "sample") return;
  awakeUntil = performance.now() + STILL_TIME;
  fresh = true;
  sendFrame();
}

async function switchTo(name) {
  const before = input;
  input = name;
  latency = null;
  showLowered({});
  byId("frame").classList.add("waiting");
  if (isCameraLost) showProblem("");
  isCameraLost = false;
  byId("state").title = "";
  byId("camera-row").hidden = name !== "camera";
  byId("size-row").hidden = !(name === "sample" || name === "camera");
  document.querySelector(`#inputs input[value="${name}"]`).checked = true;
  if (!isBrowser()) capture.close();
  try {
    if (isBrowser() && served !== "browser") connection.send({ input: "browser" });
    if (name === "sample") {
      await capture.openSample();
      sendRate();
      if (before !== "sample") setMirror(false);
      refreshSample();
    } else if (name === "camera") await openCamera();
    else connection.send({ input: name });
  } catch (error) {
    if (input !== name) return; // another input was chosen meanwhile
    say(whyNoCamera(error));
    switchTo("sample");
  }
}

// How many frames a second there are to hold: a still image needs none.
function sendRate() {
  connection.send({ rate: input === "camera" ? capture.rate : 0 });
}

function setMirror(on) {
  if (controls.isPressed("mirror") !== on) controls.toggle("mirror");
}

async function openCamera(deviceId) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("insecure");
  const track = await capture.openCamera(deviceId);
  if (input !== "camera") { capture.close(); return; }
  sendRate();
  setMirror(!capture.facesAway);
  track.onended = () => {
    if (input !== "camera") return;
    say("The camera was disconnected.");
    switchTo("sample");
  };
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const options = cameras.map((camera, number) => new Option(camera.label || `Camera ${number + 1}`, camera.deviceId));
  byId("camera").replaceChildren(...options);
  byId("camera").value = track.getSettings().deviceId;
}

function whyNoCamera(error) {
  if (error.message === "insecure")
    return `Browsers allow the camera only to https or localhost, and this page came over http from ${location.hostname}. Serve it through an https proxy, or forward the port (ssh -L). Clips work without that.`;
  const reasons = {
    NotAllowedError: "The camera was refused. Allow it for this page in the browser's settings, then choose Camera again.",
    NotFoundError: "No camera was found. Connect one, or choose a clip.",
    OverconstrainedError: "This camera is no longer available.",
    NotReadableError: "The camera is in use by another program.",
  };
  return reasons[error.name] ?? `The camera cannot be used: ${error.message}`;
}

function uploadClip(chosen) {
  if (!welcome || upload) return;
  if (chosen.size > welcome.most_clip_bytes) {
    say(`The file is too large; the limit is ${Math.round(welcome.most_clip_bytes / 1e6)} MB.`);
    return;
  }
  upload = new XMLHttpRequest();
  upload.open("POST", `/clips?visit=${encodeURIComponent(welcome.visit)}`);
  upload.responseType = "json";
  upload.upload.onprogress = ({ loaded, total }) => { byId("progress").value = total ? loaded / total : 0; };
  upload.onload = ({ target }) => {
    if (target.status === 200) {
      file = chosen;
      isUploaded = true;
      setMirror(false);
      switchTo("clip");
    } else say(target.response?.refused ?? "The file was refused.");
  };
  upload.onerror = () => say("The upload was interrupted. Try again.");
  upload.onloadend = () => {
    upload = null;
    byId("uploading").hidden = true;
    document.querySelector(`#inputs input[value="${input}"]`).checked = true;
  };
  byId("progress").value = 0;
  byId("uploading").hidden = false;
  upload.send(chosen);
}

function say(text) {
  byId("message").textContent = text;
  byId("message").hidden = false;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { byId("message").hidden = true; }, Math.max(MESSAGE_TIME, 70 * text.length));
}

function showProblem(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

function showSpeed() {
  const fps = view.fps;
  const write = (id, number, unit) => {
    byId(id).replaceChildren();
    if (number !== null) byId(id).append(Object.assign(document.createElement("b"), { textContent: Math.round(number) }), ` ${unit}`);
  };
  write("fps", fps, "fps");
  write("latency", fps ? latency : null, "ms");
}

// What is lowered to hold the frame rate, in words.
function showLowered({ target, lowered }) {
  byId("lowered").textContent = lowered ? `of ${Math.round(target)}: ${lowered}` : "";
}

// The status of the server's camera, or of this browser's own stylizer.
function showStatus(status) {
  showLowered(status);
  if (input !== "machine") return;
  latency = status.latency_ms ?? null;
  const lost = status.state === "lost";
  if (lost !== isCameraLost) showProblem(lost ? "The server's camera is lost. Waiting for it …" : "");
  isCameraLost = lost;
  byId("state").title = Object.entries(status).map(([name, value]) =>
    `${name.replaceAll("_", " ")}: ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`).join("\n");
}

const stamp = () => `streamstyle-${controls.style ?? "picture"}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;

function record() {
  if (view.isRecording) { view.stop("The recording is in your downloads."); return; }
  const refused = view.record(stamp());
  if (refused) { say(refused); return; }
  byId("record").setAttribute("aria-pressed", true);
  byId("record").textContent = "Stop";
}

function snapshot() {
  view.snapshot(stamp());
  say("The snapshot is in your downloads.");
}

function fillScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (byId("frame").requestFullscreen) byId("frame").requestFullscreen();
  else say("This browser does not support full screen.");
}

const strip = byId("thumbnails");
strip.addEventListener("wheel", (event) => { // most mouse wheels only scroll vertically
  if (event.deltaX || strip.scrollWidth <= strip.clientWidth) return;
  strip.scrollLeft += event.deltaY;
  event.preventDefault();
}, { passive: false });

// After a click on an input, arrow keys should choose styles, not inputs.
byId("inputs").addEventListener("pointerup", () => setTimeout(() => {
  if (document.activeElement.name === "input") document.activeElement.blur();
}));

const pick = byId("file");
document.querySelectorAll("#inputs input").forEach((radio) => radio.addEventListener("change", () => {
  if (radio.value !== "clip" || isUploaded) { switchTo(radio.value); return; }
  document.querySelector(`#inputs input[value="${input}"]`).checked = true; // until a clip has been uploaded
  if (file) uploadClip(file);
  else pick.click();
}));
pick.addEventListener("change", () => { if (pick.files[0]) uploadClip(pick.files[0]); pick.value = ""; });
byId("cancel").addEventListener("click", () => upload?.abort());
byId("camera").addEventListener("change", () => openCamera(byId("camera").value).catch((error) => say(whyNoCamera(error))));
byId("size").addEventListener("change", () => { capture.width = Number(byId("size").value); fresh = true; refreshSample(); });
byId("snapshot").addEventListener("click", snapshot);
byId("record").addEventListener("click", record);
byId("fullscreen").addEventListener("click", fillScreen);
byId("keys").addEventListener("click", () => byId("help").showModal());

let entered = 0; // dragenter and dragleave fire for every element
const showDrop = (change) => { entered = Math.max(0, entered + change); byId("drop").hidden = entered === 0; };
addEventListener("dragenter", (event) => { if (event.dataTransfer?.types.includes("Files")) showDrop(1); });
addEventListener("dragleave", () => showDrop(-1));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  showDrop(-entered);
  if (event.dataTransfer.files[0]) uploadClip(event.dataTransfer.files[0]);
});

const KEYS = {
  m: () => controls.toggle("mirror"),
  b: () => controls.toggle("bypass"),
  s: snapshot,
  r: record,
  f: fillScreen,
  "?": () => byId("help").showModal(),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, dialog *, dialog")) return;
  const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (arrow && !event.target.matches("input, [role=slider]")) controls.step(arrow);
  else if (/^[1-9]$/.test(event.key)) { if (event.key <= controls.styles.length) controls.choose(event.key - 1); }
  else if (KEYS[event.key.toLowerCase()] && !event.repeat) KEYS[event.key.toLowerCase()]();
  else return;
  event.preventDefault();
});

setInterval(showSpeed, 500);
