// The page: inputs, messages and keys; connects the other modules.

import { Capture } from "/capture.js";
import { Connection } from "/connection.js";
import { Controls } from "/controls.js";
import { listenToKeys } from "/keys.js";
import { say, showProblem } from "/messages.js";
import { Paintings } from "/paintings.js";
import { Player } from "/player.js";
import { Render } from "/render.js";
import { AutoSize } from "/size.js";
import { isUploading, upload } from "/upload.js";
import { View } from "/view.js";

const byId = (id) => document.getElementById(id);
const STILL_TIME = 1500, DREAM_TIME = 8000, STILL_STEP = 40; // milliseconds
const REMEMBER_TIME = 1500; // after which a camera has adapted to the light
const USUAL_RATE = 30; // frames per second of recordings, unless another rate is held

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
let isCameraLost = false; // the server's
let status = {}; // of the server: target and lowered
let wish = ""; // an input that was chosen before the server was there
let rememberAt = 0; // when thumbnails are to show the input; 0 if they do, or need not

const view = new View((isRecording, message) => {
  byId("record").setAttribute("aria-pressed", isRecording);
  byId("record").lastChild.textContent = isRecording ? "Stop" : "Record";
  if (message) say(message);
});
const capture = new Capture(() => { fresh = true; sendFrame(); });
const autoSize = new AutoSize();
const send = (message) => connection.send(message);
const controls = new Controls(
  (values) => { send({ want: values }); refreshSample(); },
  () => send({ defaults: true }),
);
const paintings = new Paintings(controls, send, say, () => welcome?.visit ?? "");
const player = new Player(send, say);
// While it renders, the clip stands still, as both would be slow.
const render = new Render(send, say, (isRunning) => player.pause(isRunning));
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
  status: (values) => showStatus(values),
  refused(message, answersFrame) {
    say(message);
    if (controls.values) controls.show(controls.values);
    if (!answersFrame) return;
    inFlight = false;
    if (isBrowser()) setTimeout(sendFrame, 500);
    else if (input === "clip") { // it cannot be played any further
      isUploaded = false;
      file = null;
      player.close();
      switchTo("sample");
    }
  },
  frame: showFrame,
  remembered: (hasImage) => { if (hasImage) controls.showThumbnails(welcome.visit, input !== "clip" || player.isVideo); },
  render: (message) => render.show(message),
  lost(message) {
    inFlight = false;
    byId("state").textContent = "offline";
    byId("state").className = "away";
    rest(true);
    render.lose();
    showProblem(message);
  },
});

// While the server is away, what needs it is at rest; recordings go on.
function rest(isOffline) {
  document.body.classList.toggle("offline", isOffline);
  for (const id of ["inputs", "look", "styles", "player"]) byId(id).inert = isOffline;
  for (const id of ["download", "mirror", "bypass"]) byId(id).disabled = isOffline;
  if (isOffline) player.audio.pause();
}

const isBrowser = () => input === "sample" || input === "camera";

async function greet(values) {
  const again = welcome !== null, wished = ownControls;
  welcome = values;
  showProblem("");
  rest(false);
  byId("state").textContent = values.device;
  byId("state").className = "";
  showLowered({});
  byId("machine-choice").hidden = !values.machine;
  byId("limit").textContent = `Clips of up to ${Math.round(values.most_clip_bytes / 1e6)} MB are stored on the server and deleted when you leave.`;
  byId("add-painting").hidden = !values.takes_paintings;
  controls.visit = values.visit;
  controls.setStyles(values.styles);
  served = "browser";
  inFlight = isUploaded = false;
  if (again) {
    say("Reconnected.");
    if (wished) await restoreLook(wished);
    if (welcome !== values) return; // the connection was lost again
    rememberSoon();
    if (input === "clip" && file) uploadClip(file);
    else if (input === "machine") send({ input: "machine" });
    else { sendRate(); fresh = true; refreshSample(); }
  } else switchTo(wish || (values.machine ? "machine" : "sample"));
}

// Upload paintings again, and want what was shown before.
async function restoreLook(wished) {
  const began = performance.now(), visit = welcome.visit;
  await paintings.restore(Object.keys(wished.style));
  if (visit !== welcome.visit) return;
  const chosen = Object.entries(wished).filter(([name]) => controls.chosen.has(name) && name !== "style");
  const want = Object.fromEntries(chosen);
  const isThere = Object.keys(wished.style).every((name) => name === "none" || controls.kindOf(name));
  if (isThere && controls.touched < began) want.style = mixture(wished.style); // unless another one was chosen
  send({ want });
}

function mixture(shares) {
  const names = Object.keys(shares);
  return names.length === 1 ? names[0] : names.map((name) => `${shares[name]}*${name}`).join("+");
}

// Thumbnails show the input once there is an image of it.
function rememberSoon() {
  rememberAt = performance.now() + (input === "camera" || input === "machine" ? REMEMBER_TIME : 0);
}

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
  send({ ready: true });
}

// While a frame is being decoded, the next one is requested.
async function showFrame(sourceBlob, resultBlob, seconds) {
  const own = isBrowser(), canvas = capture.canvas, time = taken, before = shown;
  shown = (async () => {
    const [stylized, original] = await Promise.all([createImageBitmap(resultBlob), sourceBlob && createImageBitmap(sourceBlob)]);
    await before;
    if (own === !original && own === isBrowser()) { // otherwise it belongs to the previous input
      byId("frame").classList.remove("waiting");
      view.show(stylized, original ?? canvas, input !== "machine" && controls.values?.mirror);
      if (input === "clip") player.shown(seconds);
      if (rememberAt && performance.now() >= rememberAt) remember();
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

function remember() {
  rememberAt = 0;
  if (input === "sample") controls.showThumbnails("", false);
  else send({ remember: true });
}

// The sample is sent again only for a while after a change; dreams grow longer.
function refreshSample() {
  if (input !== "sample") return;
  awakeUntil = performance.now() + (controls.isDream ? DREAM_TIME : STILL_TIME);
  fresh = true;
  sendFrame();
}

async function switchTo(name) {
  const before = input;
  if (before !== name) view.stop(`The recording ended with the ${before}.`);
  say("");
  input = name;
  latency = null;
  showLowered({});
  rememberSoon();
  byId("frame").classList.add("waiting");
  if (isCameraLost) showProblem("");
  isCameraLost = false;
  byId("state").title = "";
  byId("camera-row").hidden = name !== "camera";
  byId("size-row").hidden = !(name === "sample" || name === "camera");
  byId("download").hidden = !(name === "sample" || name === "clip");
  byId("mirror").hidden = name === "clip";
  byId("kinds").querySelector("[value=dream]").disabled = name === "machine";
  player.show(name === "clip");
  document.querySelector(`#inputs input[value="${name}"]`).checked = true;
  if (!isBrowser()) capture.close();
  try {
    if (isBrowser() && served !== "browser") send({ input: "browser" });
    if (name === "sample") {
      await capture.openSample();
      if (input !== name) return;
      sendRate();
      if (before !== "sample") setMirror(false);
      refreshSample();
    } else if (name === "camera") await openCamera();
    else send({ input: name });
  } catch (error) {
    if (input !== name) return; // another input was chosen meanwhile
    await switchTo("sample");
    say(whyNot(error, "camera"));
  }
}

// How many frames a second there are to hold: a still image needs none.
function sendRate() {
  send({ rate: input === "camera" ? capture.rate : 0 });
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
  await listDevices("camera", "videoinput", track.getSettings().deviceId);
}

// The devices that there are; their names are known once one of them is in use.
async function listDevices(id, kind, chosen, first = []) {
  const devices = (await navigator.mediaDevices.enumerateDevices()).filter((device) => device.kind === kind && device.deviceId);
  const named = devices.map(({ label, deviceId }, number) => new Option(label || `${id[0].toUpperCase()}${id.slice(1)} ${number + 1}`, deviceId));
  byId(id).replaceChildren(...first, ...named);
  byId(id).value = chosen;
}

async function chooseMicrophone() {
  const chosen = byId("microphone").value;
  try {
    if (chosen && !navigator.mediaDevices?.getUserMedia) throw new Error("insecure");
    const track = await capture.openMicrophone(chosen);
    const isListed = track?.getSettings().deviceId || chosen;
    if (track) await listDevices("microphone", "audioinput", isListed, [new Option("off", "")]);
    if (track && view.isRecording) say("The microphone is heard from the next recording on.");
  } catch (error) {
    byId("microphone").value = "";
    say(whyNot(error, "microphone"));
  }
}

function whyNot(error, device) {
  if (error.message === "insecure")
    return `Browsers allow the ${device} only to https or localhost, and this page came over http from ${location.hostname}. Serve it through an https proxy, or forward the port (ssh -L). Clips work without that.`;
  const reasons = {
    NotAllowedError: `The ${device} was refused. Allow it for this page in the browser's settings, then choose it again.`,
    NotFoundError: `No ${device} was found. Connect one${device === "camera" ? ", or choose a clip" : ""}.`,
    OverconstrainedError: `This ${device} is no longer available.`,
    NotReadableError: `The ${device} is in use by another program.`,
  };
  return reasons[error.name] ?? `The ${device} cannot be used: ${error.message}`;
}

async function uploadClip(chosen) {
  if (!welcome || isUploading()) return;
  if (chosen.size > welcome.most_clip_bytes) {
    say(`The file is too large; the limit is ${Math.round(welcome.most_clip_bytes / 1e6)} MB.`);
    return;
  }
  say("");
  const answer = await upload(`/clips?visit=${encodeURIComponent(welcome.visit)}`, chosen, "Uploading");
  if (answer?.refused) say(answer.refused);
  else if (answer) {
    file = chosen;
    isUploaded = true;
    setMirror(false);
    view.stop("The recording ended with the clip before.");
    player.open(file, answer);
    switchTo("clip");
    if (answer.warning) say(`Note: ${chosen.name}: ${answer.warning}.`);
  }
  document.querySelector(`#inputs input[value="${input}"]`).checked = true;
}

function pickPainting() {
  if (paintings.isOffered) byId("painting").click();
}

function showSpeed() {
  const fps = view.fps;
  const write = (id, number, unit) => {
    byId(id).replaceChildren();
    if (number !== null) byId(id).append(Object.assign(document.createElement("b"), { textContent: Math.round(number) }), ` ${unit}`);
  };
  write("fps", fps, "fps");
  byId("lowered").hidden = !fps;
  write("latency", fps ? latency : null, "ms");
}

// What is lowered to hold the frame rate, in words.
function showLowered(values) {
  status = values;
  const parts = [values.lowered, size() === "auto" && isBrowser() ? autoSize.lowered : ""].filter(Boolean);
  byId("lowered").textContent = parts.length ? `of ${Math.round(values.target ?? 0)}: ${parts.join(", ")}` : "";
}

const size = () => byId("size").value;

// Images from the camera are as large as the rate allows.
function adaptSize() {
  if (input !== "camera" || size() !== "auto") return;
  const target = Math.min(status.target || welcome?.fps || 0, capture.rate);
  if (!autoSize.update(view.fps, target, Boolean(status.lowered), performance.now() / 1000)) return;
  if (view.isRecording) return; // it would end
  capture.width = autoSize.size;
  showLowered({ ...status, target });
}

// The status of the server's camera, or of this browser's own stylizer.
function showStatus(values) {
  showLowered(values);
  if (input !== "machine") return;
  latency = values.latency_ms ?? null;
  const lost = values.state === "lost";
  if (lost !== isCameraLost) showProblem(lost ? "The server's camera is lost. Waiting for it …" : "");
  isCameraLost = lost;
  byId("state").title = Object.entries(values).map(([name, value]) =>
    `${name.replaceAll("_", " ")}: ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`).join("\n");
}

const stamp = () => `streamstyle-${controls.fileName}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;

function record() {
  if (view.isRecording) view.stop("");
  else view.record(stamp(), Math.round(welcome?.fps || USUAL_RATE), capture.sound);
}

// An image is saved as large as it is; a camera or video as it is shown.
function snapshot() {
  if (input === "sample" || (input === "clip" && !player.isVideo)) { download(); return; }
  view.snapshot(stamp());
  say("The snapshot is in your downloads.");
}

function download() {
  if (byId("download").hidden || byId("download").disabled) return;
  const name = input === "clip" ? `${file.name.replace(/\.[^.]*$/, "")}-${controls.fileName}` : stamp();
  render.start(input, name, welcome.visit);
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
  if (!welcome && radio.value !== "clip") { wish = radio.value; return; }
  if (radio.value !== "clip" || isUploaded) { switchTo(radio.value); return; }
  document.querySelector(`#inputs input[value="${input}"]`).checked = true; // until a clip has been uploaded
  if (file) uploadClip(file);
  else pick.click();
}));
pick.addEventListener("change", () => { if (pick.files[0]) uploadClip(pick.files[0]); pick.value = ""; });
byId("camera").addEventListener("change", () => openCamera(byId("camera").value).catch((error) => say(whyNot(error, "camera"))));
byId("microphone").addEventListener("change", chooseMicrophone);
byId("size").addEventListener("change", () => {
  capture.width = size() === "auto" ? autoSize.size : Number(size());
  fresh = true;
  refreshSample();
});
byId("download").addEventListener("click", download);
byId("snapshot").addEventListener("click", snapshot);
byId("record").addEventListener("click", record);
byId("fullscreen").addEventListener("click", fillScreen);
byId("keys").addEventListener("click", () => byId("help").showModal());

let entered = 0; // dragenter and dragleave fire for every element
const showDrop = (change) => {
  entered = Math.max(0, entered + change);
  byId("drop").hidden = entered === 0;
  byId("drop-style").hidden = entered === 0 || !paintings.isOffered;
};
const isForStyles = (event) => paintings.isOffered && event.target.closest?.("#styles") !== null;
addEventListener("dragenter", (event) => { if (event.dataTransfer?.types.includes("Files")) showDrop(1); });
addEventListener("dragleave", () => showDrop(-1));
addEventListener("dragover", (event) => {
  event.preventDefault();
  byId("drop-style").classList.toggle("target", isForStyles(event));
});
addEventListener("drop", (event) => {
  event.preventDefault();
  showDrop(-entered);
  const { files } = event.dataTransfer;
  if (isForStyles(event)) paintings.add([...files]);
  else if (files[0]) uploadClip(files[0]);
});

listenToKeys({ s: snapshot, r: record, d: download, f: fillScreen, p: pickPainting, delete: () => paintings.remove(), "?": () => byId("help").showModal() }, controls, player);
addEventListener("beforeunload", (event) => { if (view.isRecording || render.isRunning) event.preventDefault(); });
setInterval(() => { showSpeed(); adaptSize(); }, 500);
