// The page: inputs, messages, keys, and what belongs together.

import { Capture } from "/capture.js";
import { Connection } from "/connection.js";
import { Controls } from "/controls.js";
import { View } from "/view.js";

const byId = (id) => document.getElementById(id);
const MESSAGE_TIME = 7000, STILL_TIME = 1500, STILL_STEP = 40; // milliseconds

// The key is in a cookie by now; a link that is copied from the address bar shall not hand it on.
history.replaceState(null, "", location.pathname);

let input = "sample"; // sample, camera, machine, clip
let served = "browser"; // which of its inputs the server paints: browser, machine, clip
let welcome = null;
let file = null; // the clip, to be sent again after a break of the connection,
let isThere = false; // which the server does not survive
let mine = null; // what is wanted of this browser's own painter
let inFlight = false, fresh = false, taken = 0, latency = null, awakeUntil = 0;
let shown = Promise.resolve(); // the image that came last
let upload = null;
let isCameraLost = false; // the machine's

const view = new View((sentence) => {
  byId("record").setAttribute("aria-pressed", false);
  byId("record").textContent = "Record";
  if (sentence) say(sentence);
});
const capture = new Capture(() => { fresh = true; offer(); });
const controls = new Controls((values) => { connection.say({ want: values }); stir(); });
const connection = new Connection({
  welcome: greet,
  wanted(wanted) {
    if (served !== "machine") mine = wanted;
    controls.show(wanted);
    stir();
  },
  input(name) {
    served = name;
    inFlight = false;
    if (isBrowser()) offer();
    else ask();
  },
  status: (figures) => showStatus(figures),
  refused(sentence, picture) {
    say(sentence);
    if (controls.wanted) controls.show(controls.wanted);
    if (!picture) return;
    inFlight = false;
    if (isBrowser()) setTimeout(offer, 500);
    else if (input === "clip") { // it can be played no further
      isThere = false;
      file = null;
      switchTo("sample");
    }
  },
  picture: paint,
  lost(sentence) {
    inFlight = false;
    byId("state").textContent = "offline";
    byId("state").className = "away";
    complain(sentence);
  },
});

const isBrowser = () => input === "sample" || input === "camera";

function greet(values) {
  const again = welcome !== null;
  welcome = values;
  complain("");
  byId("state").textContent = values.device;
  byId("state").className = "";
  byId("machine-choice").hidden = !values.machine;
  byId("limit").textContent = `Clips stay on the machine that paints, up to ${Math.round(values.most_clip_bytes / 1e6)} MB, and are gone when you leave.`;
  controls.setStyles(values.styles);
  served = "browser";
  inFlight = isThere = false;
  if (again) {
    say("Connected again.");
    if (mine) connection.say({ want: { ...mine, style: mixture(mine.style) } });
    if (input === "clip" && file) send(file);
    else if (input === "machine") connection.say({ input: "machine" });
    else { fresh = true; stir(); }
  } else if (values.machine) switchTo("machine");
  else switchTo("sample");
}

const mixture = (shares) => Object.entries(shares).map(([name, part]) => `${part}*${name}`).join("+");

// One image is on its way at a time.
async function offer() {
  if (inFlight || !fresh || !isBrowser() || served !== "browser" || !connection.isOpen) return;
  inFlight = true;
  fresh = false;
  const time = performance.now();
  const picture = await capture.take();
  if (picture && connection.isOpen) {
    taken = time;
    connection.show(picture);
  } else inFlight = false;
}

function ask() {
  if (inFlight || isBrowser() || served !== input || !connection.isOpen) return;
  inFlight = true;
  taken = performance.now();
  connection.say({ ready: true });
}

// While one image is made ready to be shown, the next one is on its way.
async function paint(sourceBlob, resultBlob) {
  const own = isBrowser(), canvas = capture.canvas, time = taken, before = shown;
  shown = (async () => {
    const [painted, seen] = await Promise.all([createImageBitmap(resultBlob), sourceBlob && createImageBitmap(sourceBlob)]);
    await before;
    if (own === !seen && own === isBrowser()) { // else it is of the input before
      byId("frame").classList.remove("waiting");
      view.show(painted, seen ?? canvas, input !== "machine" && controls.wanted?.mirror);
      if (own) latency = latency === null ? performance.now() - time : 0.9 * latency + 0.1 * (performance.now() - time);
    }
    painted.close();
    seen?.close();
  })().catch(() => {}); // the next one comes soon
  await before;
  inFlight = false;
  if (!isBrowser()) ask();
  else if (input === "camera") offer();
  else if (performance.now() < awakeUntil) setTimeout(() => { fresh = true; offer(); }, STILL_STEP);
}

// A still needs no painting while nothing changes.
function stir() {
  if (input !== "sample") return;
  awakeUntil = performance.now() + STILL_TIME;
  fresh = true;
  offer();
}

async function switchTo(name) {
  const before = input;
  input = name;
  latency = null;
  byId("frame").classList.add("waiting");
  if (isCameraLost) complain("");
  isCameraLost = false;
  byId("state").title = "";
  byId("camera-row").hidden = name !== "camera";
  byId("size-row").hidden = !(name === "sample" || name === "camera");
  document.querySelector(`#inputs input[value="${name}"]`).checked = true;
  if (!isBrowser()) capture.close();
  try {
    if (isBrowser() && served !== "browser") connection.say({ input: "browser" });
    if (name === "sample") {
      await capture.openSample();
      if (before !== "sample") setMirror(false);
      stir();
    } else if (name === "camera") await openCamera();
    else connection.say({ input: name });
  } catch (error) {
    if (input !== name) return; // chosen otherwise meanwhile
    say(whyNoCamera(error));
    switchTo("sample");
  }
}

function setMirror(on) {
  if (controls.isPressed("mirror") !== on) controls.toggle("mirror");
}

async function openCamera(deviceId) {
  if (!navigator.mediaDevices?.getUserMedia) throw new Error("insecure");
  const track = await capture.openCamera(deviceId);
  if (input !== "camera") { capture.close(); return; }
  setMirror(!capture.facesAway);
  track.onended = () => {
    if (input !== "camera") return;
    say("The camera is gone.");
    switchTo("sample");
  };
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const options = cameras.map((camera, number) => new Option(camera.label || `Camera ${number + 1}`, camera.deviceId));
  byId("camera").replaceChildren(...options);
  byId("camera").value = track.getSettings().deviceId;
}

function whyNoCamera(error) {
  if (error.message === "insecure")
    return `A browser gives its camera only to https or localhost, and this page came over http from ${location.hostname}. Serve it through an https proxy, or forward the port (ssh -L). Clips work as they are.`;
  const reasons = {
    NotAllowedError: "The camera was refused. Allow it for this page in the browser's settings, then choose Camera again.",
    NotFoundError: "No camera was found. Connect one, or choose a clip.",
    OverconstrainedError: "That camera is not there any more.",
    NotReadableError: "The camera is in use by another program.",
  };
  return reasons[error.name] ?? `The camera cannot be used: ${error.message}`;
}

function send(chosen) {
  if (!welcome || upload) return;
  if (chosen.size > welcome.most_clip_bytes) {
    say(`The file is too large: at most ${Math.round(welcome.most_clip_bytes / 1e6)} MB are taken.`);
    return;
  }
  upload = new XMLHttpRequest();
  upload.open("POST", `/clips?visit=${encodeURIComponent(welcome.visit)}`);
  upload.responseType = "json";
  upload.upload.onprogress = ({ loaded, total }) => { byId("progress").value = total ? loaded / total : 0; };
  upload.onload = ({ target }) => {
    if (target.status === 200) {
      file = chosen;
      isThere = true;
      setMirror(false);
      switchTo("clip");
    } else say(target.response?.refused ?? "The file was refused.");
  };
  upload.onerror = () => say("The upload broke off. Try again.");
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

function complain(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

function showFigures() {
  const fps = view.fps;
  const write = (id, number, unit) => {
    byId(id).replaceChildren();
    if (number !== null) byId(id).append(Object.assign(document.createElement("b"), { textContent: Math.round(number) }), ` ${unit}`);
  };
  write("fps", fps, "fps");
  write("latency", fps ? latency : null, "ms");
}

// How the machine's own camera does.
function showStatus(figures) {
  if (input !== "machine") return;
  latency = figures.latency_ms ?? null;
  const lost = figures.state === "lost";
  if (lost !== isCameraLost) complain(lost ? "The machine's camera is lost. It is looked for …" : "");
  isCameraLost = lost;
  byId("state").title = Object.entries(figures).map(([name, value]) =>
    `${name.replaceAll("_", " ")}: ${typeof value === "number" ? Math.round(value * 10) / 10 : value}`).join("\n");
}

const stamp = () => `streamstyle-${controls.style ?? "picture"}-${new Date().toISOString().slice(0, 19).replaceAll(":", "")}`;

function record() {
  if (view.isRecording) { view.stop("The recording is among your downloads."); return; }
  const refused = view.record(stamp());
  if (refused) { say(refused); return; }
  byId("record").setAttribute("aria-pressed", true);
  byId("record").textContent = "Stop";
}

function snapshot() {
  view.snapshot(stamp());
  say("The snapshot is among your downloads.");
}

function fillScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (byId("frame").requestFullscreen) byId("frame").requestFullscreen();
  else say("This browser has no full screen.");
}

const strip = byId("thumbnails");
strip.addEventListener("wheel", (event) => { // most wheels know only up and down
  if (event.deltaX || strip.scrollWidth <= strip.clientWidth) return;
  strip.scrollLeft += event.deltaY;
  event.preventDefault();
}, { passive: false });

// Who clicks an input and then types arrows means the styles.
byId("inputs").addEventListener("pointerup", () => setTimeout(() => {
  if (document.activeElement.name === "input") document.activeElement.blur();
}));

const pick = byId("file");
document.querySelectorAll("#inputs input").forEach((radio) => radio.addEventListener("change", () => {
  if (radio.value !== "clip" || isThere) { switchTo(radio.value); return; }
  document.querySelector(`#inputs input[value="${input}"]`).checked = true; // until there is one
  if (file) send(file);
  else pick.click();
}));
pick.addEventListener("change", () => { if (pick.files[0]) send(pick.files[0]); pick.value = ""; });
byId("cancel").addEventListener("click", () => upload?.abort());
byId("camera").addEventListener("change", () => openCamera(byId("camera").value).catch((error) => say(whyNoCamera(error))));
byId("size").addEventListener("change", () => { capture.width = Number(byId("size").value); fresh = true; stir(); });
byId("snapshot").addEventListener("click", snapshot);
byId("record").addEventListener("click", record);
byId("fullscreen").addEventListener("click", fillScreen);
byId("keys").addEventListener("click", () => byId("help").showModal());

let entered = 0; // dragenter and dragleave come for every element
const showDrop = (change) => { entered = Math.max(0, entered + change); byId("drop").hidden = entered === 0; };
addEventListener("dragenter", (event) => { if (event.dataTransfer?.types.includes("Files")) showDrop(1); });
addEventListener("dragleave", () => showDrop(-1));
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  showDrop(-entered);
  if (event.dataTransfer.files[0]) send(event.dataTransfer.files[0]);
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

setInterval(showFigures, 500);
