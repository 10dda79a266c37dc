// The line to the server; when it breaks it is made anew.

const FIRST_WAIT = 500, LONGEST_WAIT = 5000; // milliseconds
const FULL = 1013;

export class Connection {
  // on: welcome(values), wanted(values), input(name), status(figures), refused(sentence, image),
  //     image(sourceBlob or null, resultBlob), lost(sentence)
  constructor(on) {
    this.on = on;
    this.wait = FIRST_WAIT;
    this.open();
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN && this.welcomed;
  }

  open() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    this.welcomed = false;
    this.socket = new WebSocket(`${scheme}://${location.host}/paint`);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.hear(JSON.parse(data)) : this.see(data));
    this.socket.onclose = (event) => this.lose(event);
  }

  hear(message) {
    if ("welcome" in message) {
      this.welcomed = true;
      this.wait = FIRST_WAIT;
      this.on.welcome(message.welcome);
    }
    if ("wanted" in message) this.on.wanted(message.wanted);
    if ("input" in message) this.on.input(message.input);
    if ("status" in message) this.on.status(message.status);
    if ("refused" in message) {
      this.full = message.full ? message.refused : null;
      if (!this.full) this.on.refused(message.refused, message.picture);
    }
  }

  see(data) {
    const length = new DataView(data).getUint32(0, true);
    const source = length ? new Blob([new Uint8Array(data, 4, length)], { type: "image/jpeg" }) : null;
    const result = new Blob([new Uint8Array(data, 4 + length)], { type: "image/jpeg" });
    this.on.picture(source, result);
  }

  say(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  show(picture) {
    if (this.isOpen) this.socket.send(picture);
  }

  async lose(event) {
    this.welcomed = false;
    if (event.code === FULL && this.full) this.on.lost(this.full);
    else this.on.lost((await this.isLockedOut())
      ? "The key to this page is no longer valid. Open the link that the program prints."
      : "The connection is lost. Trying again …");
    setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 1.7, LONGEST_WAIT);
  }

  async isLockedOut() {
    try {
      return (await fetch("/", { method: "HEAD" })).status === 401;
    } catch {
      return false; // nobody answers
    }
  }
}
