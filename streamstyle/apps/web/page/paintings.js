// The visitor's own styles: images of paintings, each of which the server makes a style.

import { isUploading, upload } from "/upload.js";

const byId = (id) => document.getElementById(id);
const NOTE = "Your painting, on this page until you leave";

export class Paintings {
  // controls: get the styles; send(message): to the server; onmessage(text); visit(): of the server, "" if away.
  constructor(controls, send, onmessage, visit) {
    Object.assign(this, { controls, send, onmessage, visit });
    this.files = new Map(); // by name of the style, kept to upload them again after a reconnection
    const pick = byId("painting");
    byId("add-painting").addEventListener("click", () => pick.click());
    pick.addEventListener("change", () => { this.add([...pick.files]); pick.value = ""; });
    byId("remove-painting").addEventListener("click", () => this.remove());
  }

  get isOffered() {
    return !byId("add-painting").hidden;
  }

  // The last one becomes the style.
  async add(files) {
    if (!files.length || !this.visit()) return;
    if (isUploading()) { this.onmessage("Another file is being uploaded. Wait for it, then try again."); return; }
    this.onmessage("");
    const refused = [];
    for (const file of files) {
      const answer = await upload(this.address, file, "Adding");
      if (!answer) return; // cancelled
      if (answer.refused) refused.push(`${file.name}: ${answer.refused}`);
      else this.show(answer.name, file);
    }
    this.onmessage(refused.join(" ") || `${this.labelOf(this.controls.style)} is the style now.`);
  }

  get address() {
    return `/paintings?visit=${encodeURIComponent(this.visit())}`;
  }

  show(name, file) {
    this.files.set(name, file);
    this.controls.addStyle({ kind: "style", name, label: file.name.replace(/\.[^.]*$/, "") || file.name, note: NOTE, isOwn: true });
    this.controls.select(name);
  }

  // After a reconnection; first those that are shown, by name.
  async restore(shown) {
    const names = [...this.files.keys()].sort((a, b) => shown.includes(b) - shown.includes(a));
    for (const name of names) {
      const file = this.files.get(name), answer = await upload(this.address, file, "Adding");
      if (answer?.name === name) continue;
      this.forget(name);
      if (answer) this.onmessage(`${file.name}: ${answer.refused}`);
    }
  }

  // Remove the chosen style, if it is one of these.
  remove() {
    const name = this.controls.style;
    if (!this.files.has(name) || byId("styles").inert) return;
    const label = this.labelOf(name), hadFocus = document.activeElement === byId("remove-painting");
    this.forget(name);
    this.send({ remove: name });
    if (hadFocus) this.controls.radio(this.controls.style)?.focus();
    this.onmessage(`${label} was removed.`);
  }

  labelOf(name) {
    return this.controls.styles.find((style) => style.name === name).label;
  }

  forget(name) {
    this.files.delete(name);
    this.controls.removeStyle(name);
  }
}
