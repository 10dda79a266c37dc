// Messages to people: passing ones, and trouble that lasts.

const byId = (id) => document.getElementById(id);
const LEAST_TIME = 7000, TIME_PER_LETTER = 70; // milliseconds
let timer;

// A message that goes away by itself; "" takes the one that is shown away.
export function say(text) {
  byId("message").textContent = text;
  byId("message").hidden = !text;
  clearTimeout(timer);
  if (text) timer = setTimeout(() => say(""), Math.max(LEAST_TIME, TIME_PER_LETTER * text.length));
}

// Trouble is shown until it is over: "".
export function showProblem(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}
