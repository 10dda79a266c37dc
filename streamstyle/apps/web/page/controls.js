// The controls of the page.

const byId = (id) => document.getElementById(id);
const thumbnails = byId("thumbnails"), second = byId("second"), share = byId("share");
const SLIDERS = ["strength", "stroke_size", "keep_colors", "steady", "depth"];
const ECHO_TIME = 400; // milliseconds after a change during which values from the server are outdated
const THUMBNAIL_PAUSE = 300; // milliseconds between two of them while frames are stylized
const FIRST_KEYS = 10; // 1 to 9 and 0; the following ones with Shift

export class Controls {
  // onchange(values): the user changed these controls; ondefaults(): all of that is to be undone.
  constructor(onchange, ondefaults) {
    Object.assign(this, { onchange, ondefaults });
    this.styles = [];
    this.touched = -ECHO_TIME;
    this.pending = {};
    this.chosen = new Set(); // names of the controls that the user has changed
    this.visit = ""; // of the server
    this.picture = null; // makes the addresses of thumbnails: see showThumbnails
    for (const name of SLIDERS) {
      // Each depth begins a dream anew, so it changes only where the slider is let go.
      byId(name).addEventListener(name === "depth" ? "change" : "input", () => this.send({ [name]: this.value(name) }));
      byId(name).addEventListener("input", () => { this.touched = performance.now(); this.showValues(); });
    }
    share.addEventListener("input", () => this.sendStyle());
    second.addEventListener("change", () => this.sendStyle());
    document.querySelectorAll("#kinds input").forEach((radio) => radio.addEventListener("change", () => this.showKind(radio.value)));
    for (const name of ["mirror", "bypass"]) byId(name).addEventListener("click", () => this.toggle(name));
    byId("reset").addEventListener("click", () => {
      this.chosen.clear();
      second.value = "";
      this.sendStyle();
      this.ondefaults();
    });
  }

  // styles: { kind, name, label, note } of the server, after a reconnection, too; the visitor's own ones stay.
  setStyles(styles) {
    styles = [...this.own, ...styles];
    if (JSON.stringify(styles) === JSON.stringify(this.styles)) return;
    const chosen = this.style;
    this.styles = styles;
    const numbers = { style: 0, dream: 0 };
    thumbnails.replaceChildren(...styles.map((style) => this.thumbnail(style, style.isOwn ? Infinity : numbers[style.kind]++)));
    this.listSecond();
    byId("kinds").hidden = !numbers.dream || !numbers.style;
    if (chosen) this.radio(chosen)?.setAttribute("checked", "");
    this.showKind(this.kindOf(chosen) ?? styles[0]?.kind);
  }

  // The visitor's own styles, which come before the others and have no keys.
  get own() {
    return this.styles.filter(({ isOwn }) => isOwn);
  }

  listSecond() {
    const isMixed = second.value;
    second.replaceChildren(new Option("none", ""),
      ...this.styles.filter(({ kind }) => kind === "style").map(({ name, label }) => new Option(label, name)));
    second.value = isMixed;
    if (!second.value) second.value = "";
  }

  // Another style of the visitor's own.
  addStyle(style) {
    if (this.radio(style.name)) return;
    this.styles = [style, ...this.styles];
    const box = this.thumbnail(style, Infinity);
    thumbnails.prepend(box);
    this.listSecond();
    if (this.picture) this.loadThumbnail(box);
  }

  // One of the visitor's own styles is gone; if it was chosen, another one is.
  removeStyle(name) {
    const number = this.listed.findIndex((style) => style.name === name);
    const isChosen = this.style === name, wasSecond = second.value === name;
    this.styles = this.styles.filter((style) => style.name !== name);
    this.radio(name)?.parentElement.remove();
    this.listSecond();
    if (isChosen) this.choose(Math.min(Math.max(number, 0), this.listed.length - 1));
    else if (wasSecond) this.sendStyle();
  }

  // Choose by name.
  select(name) {
    this.showKind(this.kindOf(name));
    this.radio(name).checked = true;
    this.sendStyle();
  }

  thumbnail({ kind, name, label, isOwn }, number) {
    const box = Object.assign(document.createElement("label"), { title: keyOf(number) ? `${label} (${keyOf(number)})` : label });
    box.dataset.kind = kind;
    if (isOwn) box.dataset.own = "";
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "style", value: name });
    const image = Object.assign(new Image(270, 180), { alt: "" });
    const text = Object.assign(document.createElement("span"), { textContent: label });
    radio.addEventListener("change", () => this.sendStyle());
    box.append(radio, image, text);
    if (keyOf(number)) box.append(Object.assign(document.createElement("kbd"), { textContent: keyOf(number), ariaHidden: true }));
    return box;
  }

  // Show thumbnails of what the server remembers for a visit; visit: "" for the sample; moves: frames are
  // stylized meanwhile, and go first.
  showThumbnails(visit, moves) {
    this.picture = { visit, moves, number: (this.picture?.number ?? 0) + 1, kinds: new Set() };
    this.loadThumbnails();
  }

  // Only those of the kind that is listed, as dreams take a while; one after the other, as the server makes
  // them so, and what else is to be sent must not wait for all of them.
  async loadThumbnails() {
    const { picture, kind } = this;
    if (!picture || picture.kinds.has(kind)) return;
    picture.kinds.add(kind);
    for (const box of [...thumbnails.children].filter(({ dataset }) => dataset.kind === kind)) {
      if (this.picture !== picture || !box.isConnected) return; // another input is shown by now
      if (kind !== this.kind) { picture.kinds.delete(kind); return; } // to go on when it is listed again
      await this.loadThumbnail(box);
      if (picture.moves) await new Promise((done) => setTimeout(done, THUMBNAIL_PAUSE));
    }
  }

  // The visitor's own styles are asked for by visit, also in front of the sample.
  async loadThumbnail(box) {
    const { visit, number } = this.picture, image = box.querySelector("img"), isOwn = "own" in box.dataset;
    const query = new URLSearchParams(visit || isOwn ? { visit: visit || this.visit, picture: number } : {});
    if (isOwn && !visit) query.set("sample", "");
    image.src = `/thumbnails/${encodeURIComponent(box.querySelector("input").value)}.jpg${query.size ? `?${query}` : ""}`;
    await image.decode().then(() => image.classList.add("loaded"), () => image.removeAttribute("src"));
  }

  kindOf(name) {
    return this.styles.find((style) => style.name === name)?.kind;
  }

  get isDream() {
    return this.kindOf(this.style) === "dream";
  }

  // List styles or dreams.
  showKind(kind) {
    if (!kind) return;
    this.kind = kind;
    const radio = document.querySelector(`#kinds input[value="${kind}"]`);
    radio.checked = true;
    for (const box of thumbnails.children) box.hidden = box.dataset.kind !== kind;
    this.loadThumbnails();
    this.scroll();
  }

  radio(name) {
    return [...thumbnails.querySelectorAll("input")].find(({ value }) => value === name);
  }

  get style() {
    return thumbnails.querySelector("input:checked")?.value;
  }

  // The chosen style, for the name of a file.
  get fileName() {
    const style = this.styles.find(({ name }) => name === this.style);
    return (style?.isOwn ? style.label.replace(/[^\p{L}\p{N}]+/gu, "_") : style?.name) ?? "picture";
  }

  // Choose by key: those that have one, counted from 0.
  chooseByKey(number) {
    const before = this.listed.filter(({ isOwn }) => isOwn).length;
    if (before + number < this.listed.length) this.choose(before + number);
  }

  // Choose from the list by number, counted from 0; wraps around.
  choose(number) {
    const radios = [...thumbnails.querySelectorAll("label:not([hidden]) input")];
    const radio = radios[(number + radios.length) % radios.length];
    if (!radio) return;
    radio.checked = true;
    this.sendStyle();
  }

  get listed() {
    return this.styles.filter(({ kind }) => kind === this.kind);
  }

  step(by) {
    this.choose(Math.max(0, this.listed.findIndex(({ name }) => name === this.style)) + by);
  }

  sendStyle() {
    const first = this.style, other = second.value, part = share.value / 100;
    this.showStyle();
    if (!first) return;
    if (!other || other === first || part === 0 || this.isDream) this.send({ style: first });
    else if (part === 1) this.send({ style: other });
    else this.send({ style: `${(1 - part).toFixed(2)}*${first}+${part.toFixed(2)}*${other}` });
  }

  toggle(name) {
    this.press(name, !this.isPressed(name));
    this.send({ [name]: this.isPressed(name) });
  }

  isPressed(name) {
    return byId(name).getAttribute("aria-pressed") === "true";
  }

  press(name, on) {
    byId(name).setAttribute("aria-pressed", on);
  }

  // Changes within one animation frame become one message.
  send(values) {
    for (const name of Object.keys(values)) this.chosen.add(name);
    this.touched = performance.now();
    if (!Object.keys(this.pending).length) requestAnimationFrame(() => {
      const all = this.pending;
      this.pending = {};
      this.onchange(all);
    });
    Object.assign(this.pending, values);
    this.showValues();
  }

  // Show the values that the server has sent.
  show(values) {
    this.values = values;
    clearTimeout(this.later);
    const rest = this.touched + ECHO_TIME - performance.now();
    if (rest > 0) {
      this.later = setTimeout(() => this.show(values), rest);
      return;
    }
    for (const name of SLIDERS) this.set(name, values[name]);
    this.press("mirror", values.mirror);
    this.press("bypass", values.bypass);
    const before = this.style;
    const [first, other] = Object.entries(values.style).sort(([, a], [, b]) => b - a);
    const part = Number(share.value);
    const isEnd = !other && ((part === 0 && first[0] === this.style) || (part === 100 && first[0] === second.value));
    if (!isEnd || !second.value) { // at 0 or 100 % the server has one style; keep the mixture here
      const names = Object.keys(values.style);
      const pair = names.length === 2 && names[0] === this.style ? names : other ? [first[0], other[0]] : [first[0]];
      for (const radio of thumbnails.querySelectorAll("input")) radio.checked = radio.value === pair[0];
      if (!this.isDream) second.value = pair[1] ?? "";
      if (pair[1]) share.value = Math.round(100 * values.style[pair[1]]);
    }
    if (this.style !== before) this.showKind(this.kindOf(this.style));
    this.showStyle();
    this.showValues();
  }

  set(name, value) {
    byId(name).value = name === "stroke_size" ? Math.log2(value) : value;
  }

  value(name) {
    const value = Number(byId(name).value);
    return name === "stroke_size" ? Math.min(4, Math.max(0.25, 2 ** value)) : value;
  }

  showStyle() {
    const style = this.styles.find(({ name }) => name === this.style);
    byId("note").textContent = style?.note ?? "";
    byId("remove-painting").hidden = !style?.isOwn;
    byId("depth-row").hidden = !this.isDream;
    byId("steady-row").hidden = byId("mixture").hidden = this.isDream;
    share.disabled = !second.value;
    this.scroll();
    this.showValues();
  }

  // Bring the chosen style into view.
  scroll() {
    const checked = thumbnails.querySelector("label:not([hidden]) input:checked")?.parentElement;
    if (checked && checked !== this.scrolledTo) {
      const box = checked.getBoundingClientRect(), strip = thumbnails.getBoundingClientRect();
      thumbnails.scrollBy({ left: (box.left + box.right - strip.left - strip.right) / 2 });
    }
    this.scrolledTo = checked;
  }

  showValues() {
    const write = (id, text) => {
      document.querySelector(`output[for="${id}"]`).textContent = text;
      byId(id).setAttribute("aria-valuetext", text);
    };
    for (const name of ["strength", "keep_colors", "steady", "depth"]) write(name, `${Math.round(100 * this.value(name))} %`);
    write("stroke_size", `${this.value("stroke_size").toFixed(2)}×`);
    write("share", second.value ? `${share.value} %` : "–");
  }
}

// The key of the style with this number, counted from 0; "" if there is none.
function keyOf(number) {
  const digit = (number % FIRST_KEYS + 1) % 10;
  return number < FIRST_KEYS ? `${digit}` : number < 2 * FIRST_KEYS ? `⇧${digit}` : "";
}
