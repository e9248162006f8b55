// What the accessibility tests ask of the page; see test_browser_access.py.
(() => {
  const short = (one) => `${one.tagName} ${one.getAttribute("aria-label") ?? ""} ` +
    `${one.getAttribute("class") ?? ""} ${one.textContent.trim().slice(0, 40)}`;

  window.ttsAxe = async ([selector, tags]) => {
    const found = await axe.run({ include: [selector] }, {
      runOnly: tags, resultTypes: ["violations"],
    });
    return found.violations.map((one) => [one.id, one.nodes.map((node) =>
      `${node.target.join(" ")}: ${node.html.slice(0, 120)}: ${node.failureSummary}`)]);
  };

  // contrast of colours as they are drawn, the transparent ones too
  const pixel = document.createElement("canvas").getContext("2d", {
    willReadFrequently: true,
  });
  const drawn = (colour, paper) => {
    for (const one of ["white", paper, colour]) {
      pixel.fillStyle = one;
      pixel.fillRect(0, 0, 1, 1);
    }
    return pixel.getImageData(0, 0, 1, 1).data;
  };
  const luminance = (data) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const value = data[i] / 255;
    const linear = value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return sum + weight * linear;
  }, 0);
  const contrast = (colour, paper) => {
    const [low, high] = [luminance(drawn(colour, paper)), luminance(drawn(paper, paper))]
      .sort((a, b) => a - b);
    return (high + 0.05) / (low + 0.05);
  };
  const paperOf = (one) => {
    const style = getComputedStyle(one.closest(".tts-widget"));
    const probe = document.createElement("i");
    const raised = one.closest(".tts-shaded");
    probe.style.color = `var(${raised ? "--tts-raised" : "--tts-paper"})`;
    one.closest(".tts-widget").append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found || style.color;
  };
  const colour = (one) => {
    const style = getComputedStyle(one);
    return style.fill === "none" ? style.stroke : style.fill;
  };
  // digits in cells and codes in the map stand on colours of their own (test_colours)
  const ELSEWHERE = ".tts-cells [class^='g'], .tts-code, .tts-cut";
  window.ttsPale = ([within, least]) =>
    [...document.querySelectorAll(`${within} svg :is(text, tspan)`)]
      .filter((one) => one.textContent.trim() && !one.matches(ELSEWHERE))
      .map((one) => [contrast(colour(one), paperOf(one)), short(one)])
      .filter(([ratio]) => ratio < least).slice(0, 12);
  window.ttsFaint = ([marks, least]) =>
    [...document.querySelectorAll(`.tts-widget svg :is(${marks})`)]
      .map((one) => {
        const style = getComputedStyle(one), paper = paperOf(one);
        const every = [style.fill, style.stroke].filter((value) => value !== "none");
        return [Math.max(...every.map((value) => contrast(value, paper))), short(one)];
      }).filter(([ratio]) => ratio < least).slice(0, 12);

  // a walk with the Tab key
  let root, expected, steps;
  const look = (one) => [one, ...one.querySelectorAll("*")].map((part) => {
    const style = getComputedStyle(part);
    return [style.outline, style.boxShadow, style.border, style.stroke,
      style.strokeWidth, style.visibility].join();
  }).join(";");
  const shown = (one) => one.checkVisibility({ visibilityProperty: true });
  const own = (one) => root.contains(one);
  const told = (one) => one.getAttribute("aria-label") || one.title ||
    one.textContent.trim() || one.labels?.[0]?.textContent.trim() ||
    one.closest(".jupyter-widgets")?.querySelector("label")?.textContent.trim();
  window.ttsBegin = ([selector, focusable]) => {
    root = document.querySelector(selector);
    // a point shows its numbers anywhere in its picture, so pictures are in sight
    expected = [...root.querySelectorAll(focusable)].filter(shown);
    steps = [];
    const before = document.createElement("button");
    before.id = "tts-before";
    document.getElementById("tts-before")?.remove();
    root.before(before);
    before.focus();
    return expected.length;
  };
  window.ttsStep = () => {
    const one = document.activeElement;
    const last = steps.at(-1);
    if (last) last.after = look(last.one);
    if (!own(one)) return steps.length === 0;
    steps.push({ one, focused: look(one) });
    return true;
  };
  window.ttsInside = () => own(document.activeElement);
  window.ttsEnd = () => {
    document.getElementById("tts-before")?.remove();
    const reached = new Set(steps.map((step) => step.one));
    return {
      missed: expected.filter((one) => !reached.has(one)).map(short),
      unseen: steps.filter((step) => step.focused === step.after)
        .map((step) => short(step.one)),
      nameless: steps.filter((step) => !told(step.one)).map((step) => short(step.one)),
      left: !own(document.activeElement),
    };
  };

  window.ttsSaid = () => {
    const one = document.activeElement, widget = one.closest(".tts-widget");
    const tip = widget.querySelector(":scope > .tts-focus-tip:not([hidden])");
    const texts = [...one.querySelectorAll("text")].filter(shown);
    return {
      label: one.getAttribute("aria-label"), tip: tip?.textContent ?? "",
      drawn: texts.map((text) => text.textContent).join(" "),
    };
  };
  window.ttsListen = (selector) => {
    const live = document.querySelector(`${selector} > .tts-live`);
    window.ttsHeard = [];
    new MutationObserver(() => window.ttsHeard.push(live.textContent))
      .observe(live, { childList: true });
  };

  window.ttsTick = async (selector, times) => {
    const old = [...document.querySelectorAll(`${selector} .tts-status`)].at(-1);
    const box = old.parentElement;
    for (let i = 1; i <= times; i += 1) {
      const busy = i < times ? ' aria-busy="true"' : "";
      box.innerHTML = `<div class="tts-status"${busy}>ticked ${i} times</div>`;
      await new Promise((next) => setTimeout(next, 700 / (i < 3 ? 1 : 4)));
    }
  };

  // what is wider than its place, or leaves its picture
  window.ttsWide = () => {
    const found = [];
    for (const one of document.querySelectorAll(".tts-widget, .tts-widget *")) {
      if (one.closest(".tts-tree, svg, .tts-live, .tts-style") || !shown(one)) continue;
      const style = getComputedStyle(one);
      // pictures of two dimensions may scroll, as in WCAG 1.4.10
      if (style.overflowX === "auto" && one.querySelector(":scope > svg")) continue;
      const more = one.scrollWidth - one.clientWidth;
      if (more > 1 && one.clientWidth && style.overflowX !== "visible" &&
          !one.matches("input, select")) {
        found.push(`${more} px hidden: ${short(one)}`);
      }
      const edge = one.closest(".tts-widget").getBoundingClientRect().right;
      const over = one.getBoundingClientRect().right - edge;
      if (over > 1.5) found.push(`${Math.round(over)} px too far: ${short(one)}`);
    }
    for (const text of document.querySelectorAll(".tts-widget svg text")) {
      if (text.closest(".tts-tree") || !shown(text)) continue;
      const inner = text.getBoundingClientRect();
      const outer = text.closest("svg").getBoundingClientRect();
      if (inner.left < outer.left - 1 || inner.right > outer.right + 1) {
        found.push(`leaves its picture: ${short(text)}`);
      }
    }
    return found.slice(0, 20);
  };
})();
