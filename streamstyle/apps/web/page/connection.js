// The connection to the server, which is reopened when it is lost.

const FIRST_WAIT = 500, LONGEST_WAIT = 5000; // milliseconds
const FULL = 1013;
const HEADER = 8; // bytes before the images of a frame

export class Connection {
  // on: welcome(values), controls(values), input(name), status(values), refused(message, answersFrame),
  //     frame(sourceBlob or null, resultBlob, seconds), lost(message), remembered(hasImage), render(progress)
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
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.readMessage(JSON.parse(data)) : this.readFrame(data));
    this.socket.onclose = (event) => this.lose(event);
  }

  readMessage(message) {
    if ("welcome" in message) {
      this.welcomed = true;
      this.wait = FIRST_WAIT;
      this.on.welcome(message.welcome);
    }
    if ("wanted" in message) this.on.controls(message.wanted);
    if ("input" in message) this.on.input(message.input);
    if ("status" in message) this.on.status(message.status);
    if ("remembered" in message) this.on.remembered(message.remembered);
    if ("render" in message) this.on.render(message.render);
    if ("refused" in message) {
      this.full = message.full ? message.refused : null;
      if (!this.full) this.on.refused(message.refused, message.picture);
    }
  }

  readFrame(data) {
    const head = new DataView(data), length = head.getUint32(0, true), seconds = head.getFloat32(4, true);
    const source = length ? new Blob([new Uint8Array(data, HEADER, length)], { type: "image/jpeg" }) : null;
    const result = new Blob([new Uint8Array(data, HEADER + length)], { type: "image/jpeg" });
    this.on.frame(source, result, seconds);
  }

  send(message) {
    if (this.isOpen) this.socket.send(JSON.stringify(message));
  }

  sendFrame(jpeg) {
    if (this.isOpen) this.socket.send(jpeg);
  }

  async lose(event) {
    this.welcomed = false;
    if (event.code === FULL && this.full) this.on.lost(this.full);
    else this.on.lost((await this.isUnauthorized())
      ? "The key to this page is no longer valid. Open the link that the program prints."
      : "The connection is lost. Reconnecting …");
    setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(this.wait * 1.7, LONGEST_WAIT);
  }

  async isUnauthorized() {
    try {
      return (await fetch("/", { method: "HEAD" })).status === 401;
    } catch {
      return false; // the server does not answer
    }
  }
}
