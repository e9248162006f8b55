// What style sheets cannot do for a keyboard or a screen reader. Runs when a widget's
// style sheet has loaded, needs nothing from elsewhere, and no picture depends on it:
// where a front end forbids scripts, every point of a picture is a stop of the Tab key.
//
// - Sliders, their numbers and rows of toggle buttons get the names beside them.
// - A picture is one stop of the Tab key; arrow keys, Home and End go inside it.
// - What the mouse says of a point is shown when it has the focus; Escape hides it.
// - A picture that is drawn anew keeps the focus where it was.
// - The focus goes from a button that cannot be pressed any more to its neighbour.
// - Status lines are announced when they change, while something runs every 8 seconds.
((style) => {
  const root = style.closest(".tts-widget");
  if (!root || root.ttsAccess) return;
  root.ttsAccess = true;
  const own = (node) => node.closest(".tts-widget") === root;
  const all = (selector) => [...root.querySelectorAll(selector)].filter(own);
  const set = (node, name, value) => {
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
  };
  const itemsOf = (svg) => [...svg.querySelectorAll("[tabindex]")];
  const add = (name) => {
    const made = document.createElement("div");
    made.className = name;
    return root.appendChild(made);
  };
  const live = add("tts-live");
  live.setAttribute("role", "status");
  const tip = add("tts-focus-tip");
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;

  const name = () => {
    for (const slider of all(".widget-slider")) {
      const words = slider.querySelector(".widget-label")?.textContent.trim();
      const handle = slider.querySelector(".noUi-handle");
      const number = slider.querySelector(".widget-readout");
      if (!words || !handle || !number) continue;
      set(handle, "aria-label", words);
      set(handle, "aria-valuetext", number.textContent); // not the option's place
      set(number, "role", "textbox");
      set(number, "aria-label", `${words}, typed`);
    }
    for (const row of all(".widget-toggle-buttons")) {
      const label = row.querySelector(".widget-label")?.textContent.trim() ||
        row.previousElementSibling?.textContent.trim();
      if (label) {
        set(row, "role", "group");
        set(row, "aria-label", label);
      }
      for (const button of row.querySelectorAll("button")) {
        set(button, "aria-pressed", String(button.classList.contains("mod-active")));
      }
    }
  };

  let kept = null; // where the focus is, or was when its picture was replaced
  const place = (item) => {
    const svg = item.closest("svg");
    const box = svg.closest(".widget-html-content") ?? root;
    return {
      item, box, nth: [...box.querySelectorAll("svg")].indexOf(svg),
      label: item.getAttribute("aria-label"), index: itemsOf(svg).indexOf(item),
    };
  };
  const rove = () => {
    for (const svg of all("svg")) {
      const items = itemsOf(svg);
      if (svg.ttsRoving || !items.length) continue;
      svg.ttsRoving = true;
      let now = items.find((item) => item.getAttribute("tabindex") === "0") ?? items[0];
      const again = kept && !kept.item.isConnected && kept.box.contains(svg) &&
        [...kept.box.querySelectorAll("svg")].indexOf(svg) === kept.nth;
      if (again) {
        now = items.find((item) => item.getAttribute("aria-label") === kept.label) ??
          items[Math.min(kept.index, items.length - 1)];
      }
      for (const item of items) item.setAttribute("tabindex", item === now ? 0 : -1);
      if (again && document.activeElement === document.body) {
        now.focus({ preventScroll: true });
      }
    }
  };

  const explain = (item) => {
    const words = item.querySelector("title") && !item.querySelector(".tts-tip") &&
      item.getAttribute("aria-label");
    tip.hidden = !words || !item.matches(":focus-visible");
    if (tip.hidden) return;
    tip.textContent = words;
    const at = item.getBoundingClientRect(), whole = root.getBoundingClientRect();
    const left = Math.min(at.left - whole.left, whole.width - tip.offsetWidth - 4);
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${at.bottom - whole.top + 6}px`;
  };
  let pressed = null;
  const forward = () => {
    if (!pressed?.disabled) return;
    if ([document.body, pressed].includes(document.activeElement)) {
      pressed.parentElement?.querySelector("button:enabled")?.focus();
    }
    pressed = null;
  };
  root.addEventListener("focusin", ({ target }) => {
    const mine = own(target) && target.matches("button:focus-visible");
    pressed = mine ? target : null;
    const item = own(target) && target.closest("svg [tabindex]");
    if (!item) return;
    for (const one of itemsOf(item.closest("svg"))) {
      one.setAttribute("tabindex", one === item ? 0 : -1);
    }
    kept = place(item);
    explain(item);
  });
  root.addEventListener("focusout", ({ target }) => {
    tip.hidden = true;
    setTimeout(() => {
      if (kept?.item === target && target.isConnected) kept = null;
    });
  });
  root.addEventListener("keydown", (event) => {
    const item = own(event.target) && event.target.closest("svg [tabindex]");
    if (!item || event.altKey || event.ctrlKey || event.metaKey) return;
    const items = itemsOf(item.closest("svg")), i = items.indexOf(item);
    const level = (one) => Number(one.getAttribute("aria-level"));
    const tree = item.getAttribute("role") === "treeitem";
    let to = { ArrowDown: i + 1, ArrowUp: i - 1, ArrowRight: i + 1, ArrowLeft: i - 1,
      Home: 0, End: items.length - 1, Escape: i }[event.key];
    if (to === undefined) return;
    if (tree && event.key === "ArrowRight" && !(level(items[to] ?? item) > level(item))) {
      to = i;
    }
    if (tree && event.key === "ArrowLeft") {
      while (to >= 0 && level(items[to]) >= level(item)) to -= 1;
    }
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Escape") tip.hidden = true;
    else items[to]?.focus();
  });

  const said = []; // of each line what was announced, or stood there at first
  let timer = 0, last = 0;
  const announce = () => {
    timer = 0;
    const words = [];
    all(".tts-status").forEach((line, i) => {
      const text = line.textContent.trim(), now = Date.now();
      said[i] ??= text;
      const soon = line.getAttribute("aria-busy") === "true" && now - last < 8000;
      if (text === said[i] || soon) return;
      said[i] = text;
      words.push(text);
    });
    if (!words.length) return;
    last = Date.now();
    live.textContent = words.join(" ");
  };
  const dress = () => {
    name();
    rove();
    forward();
    for (const line of all(".tts-status")) line.removeAttribute("role");
    timer ||= setTimeout(announce, 500);
  };
  new MutationObserver(dress).observe(root, {
    attributes: true, attributeFilter: ["class", "disabled", "aria-valuetext"],
    childList: true, subtree: true,
  });
  dress();
})(this);
