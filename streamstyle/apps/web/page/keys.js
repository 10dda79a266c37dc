// Keyboard shortcuts.

const SKIP = 5; // seconds

// actions: functions by key, as in the list of index.html.
export function listenToKeys(actions, controls, player) {
  const byKey = {
    ...actions,
    m: () => controls.toggle("mirror"),
    b: () => controls.toggle("bypass"),
    y: () => controls.showKind(controls.kind === "style" ? "dream" : "style"),
    a: () => player.toggleSound(),
    " ": () => player.pause(!player.paused),
    ",": () => player.skip(-SKIP),
    ".": () => player.skip(SKIP),
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, dialog *, dialog")) return;
    if (event.key === " " && event.target.matches("button, input")) return;
    const arrow = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1]; // also where digits need Shift
    const action = byKey[event.key.toLowerCase()];
    if (document.body.classList.contains("offline") && !"fs?".includes(event.key.toLowerCase())) return;
    if (arrow && !event.target.matches("input[type=range], [role=slider]")) controls.step(arrow);
    else if (digit) controls.chooseByKey(((Number(digit) + 9) % 10) + (event.shiftKey ? 10 : 0));
    else if (action && !event.repeat) action();
    else return;
    event.preventDefault();
  });
}
