// Plays a clip: pause, position, and its sound, which the browser reads from the file itself.

const byId = (id) => document.getElementById(id);
const position = byId("position"), play = byId("play"), sound = byId("sound");
const MOST_APART = 0.25; // seconds between sound and image before the sound jumps
const JUMP_TIME = 1000; // milliseconds between two jumps
const SEEK_TIME = 2000; // milliseconds for which frames from before a seek may still come

export class Player {
  // send(message): to the server; onproblem(text).
  constructor(send, onproblem) {
    Object.assign(this, { send, onproblem, paused: false, jumped: 0, length: 0, isSeeking: false });
    this.audio = new Audio();
    this.audio.addEventListener("error", () => this.loseSound());
    play.addEventListener("click", () => this.pause(!this.paused));
    sound.addEventListener("click", () => this.toggleSound());
    position.addEventListener("input", () => { this.isSeeking = true; this.seek(Number(position.value)); });
    position.addEventListener("change", () => { this.isSeeking = false; });
    this.close();
  }

  // about: what the server knows of the clip.
  open(file, about) {
    this.close();
    this.length = about.seconds;
    this.isVideo = about.kind === "video";
    position.max = this.length;
    position.closest("label").hidden = !this.length;
    sound.hidden = !about.has_sound;
    this.file = file;
    this.pausedInside(false);
    this.write(0);
  }

  close() {
    this.setSound(false);
    if (this.audio.src) URL.revokeObjectURL(this.audio.src);
    this.audio.removeAttribute("src");
    this.isVideo = false;
    this.sought = null; // where to, and when
    this.show(false);
  }

  // Show the controls while the clip is the input; the sound is silent otherwise.
  show(isInput) {
    byId("player").hidden = !(isInput && this.isVideo);
    this.isShown = isInput;
    if (!isInput) this.audio.pause();
  }

  pause(paused) {
    if (byId("player").hidden) return;
    this.send({ pause: paused });
    this.pausedInside(paused);
  }

  pausedInside(paused) {
    this.paused = paused;
    play.setAttribute("aria-label", paused ? "Play" : "Pause");
    play.title = `${paused ? "Play" : "Pause"} (space)`;
    play.classList.toggle("paused", paused);
    if (paused) this.audio.pause();
  }

  seek(seconds) {
    this.send({ seek: Math.max(0, Math.min(seconds, this.length - 0.05)) });
    this.jumped = 0;
    this.sought = { seconds, at: performance.now() };
    position.value = seconds;
    this.write(Number(position.value));
  }

  skip(seconds) {
    if (!byId("player").hidden) this.seek(Number(position.value) + seconds);
  }

  // A frame of that time is shown.
  shown(seconds) {
    const isOld = this.sought && Math.abs(seconds - this.sought.seconds) > 0.5;
    if (isOld && performance.now() - this.sought.at < SEEK_TIME) return;
    this.sought = null;
    if (!this.isSeeking) {
      position.value = seconds;
      this.write(seconds);
    }
    if (!this.isSounding || this.paused || !this.isShown) return;
    if (this.audio.paused) this.audio.play().catch(() => {});
    const now = performance.now();
    if (Math.abs(this.audio.currentTime - seconds) > MOST_APART && now - this.jumped > JUMP_TIME) {
      this.audio.currentTime = seconds;
      this.jumped = now;
    }
  }

  write(seconds) {
    const text = `${clock(seconds)} / ${clock(this.length)}`;
    byId("time").textContent = text;
    position.setAttribute("aria-valuetext", text);
  }

  toggleSound() {
    if (sound.hidden || byId("player").hidden) return;
    if (!this.audio.src) this.audio.src = URL.createObjectURL(this.file);
    this.setSound(!this.isSounding);
  }

  setSound(on) {
    this.isSounding = on;
    sound.setAttribute("aria-pressed", on);
    if (!on) this.audio.pause();
  }

  loseSound() {
    if (!this.audio.src) return;
    this.setSound(false);
    sound.hidden = true;
    this.onproblem("This browser cannot play the sound of this clip. The download has it.");
  }
}

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
