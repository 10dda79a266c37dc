// Renders the clip at full size and downloads the result, with progress and cancel.

const byId = (id) => document.getElementById(id);

export class Render {
  // send(message): to the server; onmessage(text); onrunning(isRunning).
  constructor(send, onmessage, onrunning) {
    Object.assign(this, { send, onmessage, onrunning, warnings: [], isRunning: false });
    byId("cancel-render").addEventListener("click", () => this.send({ render: "" }));
  }

  // what: "clip" or "sample"; name: of the file to save, without its ending; visit: of the server.
  start(what, name, visit) {
    if (this.isRunning) return;
    Object.assign(this, { name, visit, warnings: [] });
    this.run(true);
    this.write("Starting …", null);
    this.send({ render: what });
  }

  // A message of the server.
  show(message) {
    if (!this.isRunning) return;
    if (message.warning) this.warnings.push(message.warning);
    else if (message.state === "waiting") this.write("Waiting for another render …", null);
    else if (message.state === "running" && message.frames) this.progress(message);
    else if (message.state === "done") this.finish(message);
    else if (message.state === "failed") this.end(`It could not be rendered: ${message.message}.`);
    else if (message.state === "cancelled") this.end("The render was cancelled.");
  }

  progress({ frames, total, seconds }) {
    const rest = seconds === null ? "" : `, ${inWords(seconds)} left`;
    this.write(`Frame ${frames}${total ? ` of ${Math.max(total, frames)}` : ""}${rest}`, total ? Math.min(1, frames / total) : null);
  }

  finish({ name, bytes, frames, concealed, lost }) {
    const file = this.name + name.slice(name.lastIndexOf("."));
    Object.assign(document.createElement("a"), { href: `/renders/${encodeURIComponent(this.visit)}`, download: file }).click();
    const what = frames > 1 ? `, ${frames} frames` : "";
    if (concealed || lost) this.warnings.push(`of its frames, ${concealed} were damaged and ${lost} missing`);
    this.end([`${file} is in your downloads (${size(bytes)}${what}).`, ...this.warnings.map((text) => `Note: ${text}.`)].join(" "));
  }

  // The connection is lost.
  lose() {
    if (this.isRunning) this.end("The render was interrupted.");
  }

  end(message) {
    this.run(false);
    this.onmessage(message);
  }

  run(on) {
    this.isRunning = on;
    byId("rendering").hidden = !on;
    byId("download").disabled = on;
    this.onrunning(on);
  }

  write(text, share) {
    byId("render-text").textContent = text;
    if (share === null) byId("render-progress").removeAttribute("value");
    else byId("render-progress").value = share;
  }
}

function inWords(seconds) {
  const rounded = Math.ceil(seconds);
  return rounded < 60 ? `${rounded} s` : rounded < 3600 ? `${Math.ceil(rounded / 60)} min` : `${(rounded / 3600).toFixed(1)} h`;
}

const size = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1e3)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);
