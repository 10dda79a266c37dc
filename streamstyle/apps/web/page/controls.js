// The controls of the page.

const byId = (id) => document.getElementById(id);
const thumbnails = byId("thumbnails"), second = byId("second"), share = byId("share");
const SLIDERS = ["strength", "stroke_size", "keep_colors", "steady"];
const DEFAULTS = { strength: 1, stroke_size: 1, keep_colors: 0, steady: 0 };
const ECHO_TIME = 400; // milliseconds after a change during which values from the server are outdated

export class Controls {
  // onchange(values): the user changed these controls.
  constructor(onchange) {
    this.onchange = onchange;
    this.styles = [];
    this.touched = -ECHO_TIME;
    this.pending = {};
    for (const name of SLIDERS) byId(name).addEventListener("input", () => this.send({ [name]: this.value(name) }));
    share.addEventListener("input", () => this.sendStyle());
    second.addEventListener("change", () => this.sendStyle());
    for (const name of ["mirror", "bypass"]) byId(name).addEventListener("click", () => this.toggle(name));
    byId("reset").addEventListener("click", () => {
      second.value = "";
      Object.entries(DEFAULTS).forEach(([name, value]) => this.set(name, value));
      this.sendStyle();
      this.send(DEFAULTS);
    });
  }

  setStyles(styles) {
    if (JSON.stringify(styles) === JSON.stringify(this.styles)) return;
    this.styles = styles;
    thumbnails.replaceChildren(...styles.map((style, number) => this.thumbnail(style, number)));
    second.replaceChildren(new Option("none", ""), ...styles.map(({ name, label }) => new Option(label, name)));
  }

  thumbnail({ name, label }, number) {
    const box = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "style", value: name });
    const picture = Object.assign(new Image(270, 180), { src: `/thumbnails/${encodeURIComponent(name)}.jpg`, alt: "" });
    const text = Object.assign(document.createElement("span"), { textContent: label });
    radio.addEventListener("change", () => this.sendStyle());
    box.append(radio, picture, text);
    if (number < 9) box.append(Object.assign(document.createElement("kbd"), { textContent: number + 1, ariaHidden: true }));
    return box;
  }

  get style() {
    return thumbnails.querySelector("input:checked")?.value;
  }

  // Choose a style by its number, counted from 0; wraps around.
  choose(number) {
    const radios = [...thumbnails.querySelectorAll("input")];
    const radio = radios[(number + radios.length) % radios.length];
    if (!radio) return;
    radio.checked = true;
    this.sendStyle();
  }

  step(by) {
    this.choose(Math.max(0, this.styles.findIndex(({ name }) => name === this.style)) + by);
  }

  sendStyle() {
    const first = this.style, other = second.value, part = share.value / 100;
    this.showStyle();
    if (!first) return;
    if (!other || other === first || part === 0) this.send({ style: first });
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
    const [first, other] = Object.entries(values.style).sort(([, a], [, b]) => b - a);
    const part = Number(share.value);
    const isEnd = !other && ((part === 0 && first[0] === this.style) || (part === 100 && first[0] === second.value));
    if (!isEnd || !second.value) { // at 0 or 100 % the server has one style; keep the mixture here
      const names = Object.keys(values.style);
      const pair = names.length === 2 && names[0] === this.style ? names : other ? [first[0], other[0]] : [first[0]];
      for (const radio of thumbnails.querySelectorAll("input")) radio.checked = radio.value === pair[0];
      second.value = pair[1] ?? "";
      if (pair[1]) share.value = Math.round(100 * values.style[pair[1]]);
    }
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
    share.disabled = !second.value;
    const checked = thumbnails.querySelector("input:checked")?.parentElement;
    if (checked && checked !== this.shown)
      thumbnails.scrollTo({ left: checked.offsetLeft - thumbnails.offsetLeft - (thumbnails.clientWidth - checked.clientWidth) / 2 });
    this.shown = checked;
    this.showValues();
  }

  showValues() {
    const write = (id, text) => {
      document.querySelector(`output[for="${id}"]`).textContent = text;
      byId(id).setAttribute("aria-valuetext", text);
    };
    for (const name of ["strength", "keep_colors", "steady"]) write(name, `${Math.round(100 * this.value(name))} %`);
    write("stroke_size", `${this.value("stroke_size").toFixed(2)}×`);
    write("share", second.value ? `${share.value} %` : "–");
  }
}
