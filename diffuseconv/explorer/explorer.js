// The explorer's page, in anywidget's form: render({ model, el }). All numbers come from Python through model.send.

const STYLE = `
.dc { --ground: #fbfaf8; --panel: #ffffff; --ink: #1d2127; --faint: #6b7280; --line: #d9dce1; --accent: #1769aa;
  font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--ground); padding: 12px; min-height: 100%;
  box-sizing: border-box; }
.dc *, .dc *::before { box-sizing: border-box; }
@media (prefers-color-scheme: dark) {
  .dc { --ground: #14171c; --panel: #1c2027; --ink: #e8e6e3; --faint: #9aa1ab; --line: #333a45; --accent: #6cb4ee; } }
.dc h1 { font-size: 1.2rem; margin: 0 0 8px; }
.dc [role=tablist] { display: flex; gap: 4px; flex-wrap: wrap; border-bottom: 1px solid var(--line); margin-bottom: 12px; }
.dc [role=tab] { border: 0; border-bottom: 3px solid transparent; border-radius: 0; background: none; padding: 8px 12px; }
.dc [role=tab][aria-selected=true] { border-bottom-color: var(--accent); font-weight: 600; }
.dc button, .dc select, .dc input { font: inherit; color: inherit; }
.dc button, .dc select { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 6px 10px;
  cursor: pointer; }
.dc button[aria-pressed=true] { outline: 2px solid var(--accent); }
.dc :focus-visible { outline: 3px solid var(--accent); outline-offset: 1px; }
.dc .sides { display: flex; flex-wrap: wrap; gap: 16px; align-items: flex-start; }
.dc canvas { background: #000; border-radius: 6px; width: min(100%, 420px); aspect-ratio: 1; image-rendering: pixelated;
  touch-action: none; }
.dc canvas.curve { aspect-ratio: 3; background: var(--panel); border: 1px solid var(--line); }
.dc .controls { display: flex; flex-direction: column; gap: 10px; flex: 1 1 260px; max-width: 480px; min-width: 0; }
.dc .row { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.dc label { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
.dc input[type=file] { max-width: 100%; }
.dc .grid { display: grid; gap: 2px; width: max-content; max-width: 100%; overflow: auto; }
.dc .grid input { width: 4.2em; padding: 3px; background: var(--panel); border: 1px solid var(--line); }
.dc pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: 8px;
  margin: 0; }
.dc figure { margin: 0; flex: 0 1 420px; min-width: 0; }
.dc figcaption, .dc .faint { color: var(--faint); font-size: 0.9em; }
.dc [role=alert] { color: #c62828; min-height: 1.4em; }
`;

function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// A loop: Uint8Array.from with a function takes most of a frame.
function decoded(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function unpack(packed) {
  return { rows: packed.shape[0], columns: packed.shape[1], values: new Float32Array(decoded(packed.data).buffer) };
}

function pack(values, rows, columns) {
  const bytes = new Uint8Array(values.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return { shape: [rows, columns], data: btoa(text) };
}

function draw(canvas, field, colours, low, high, water) {
  canvas.width = field.columns;
  canvas.height = field.rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(field.columns, field.rows);
  const inks = new Uint32Array(256), pixels = new Uint32Array(image.data.buffer);  // one store for each pixel
  const bytes = new Uint8Array(inks.buffer);
  for (let level = 0; level < 256; level++) bytes.set([colours[3 * level], colours[3 * level + 1], colours[3 * level + 2], 255], 4 * level);
  const [wall] = new Uint32Array(Uint8Array.of(150, 150, 150, 255).buffer);
  const scale = 256 / (high - low || 1);
  for (let i = 0; i < pixels.length; i++) {
    const level = (field.values[i] - low) * scale;
    pixels[i] = water && !water[i] ? wall : inks[level > 255 ? 255 : level < 0 ? 0 : level | 0];
  }
  context.putImageData(image, 0, 0);
}

// Shows where the keyboard's brush is: a ring, dark and light so that it can be told from any colour.
function ring(canvas, x, y, radius) {
  const context = canvas.getContext("2d");
  for (const [width, colour] of [[3, "#000"], [1.5, "#fff"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.stroke();
  }
}

function range(values) {
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  return [low, high];
}

export function render({ model, el }) {
  let number = 0;
  const waiting = new Map();
  model.on("msg:custom", (message) => {
    const done = waiting.get(message.id);
    waiting.delete(message.id);
    if (done) done(message.answer);
  });
  const alertLine = element("div", { role: "alert" });
  async function ask(name, options = {}) {
    const id = ++number;
    const reply = new Promise((done) => waiting.set(id, done));
    model.send({ id, request: { ask: name, ...options } });
    const got = await reply;
    alertLine.textContent = got.error && typeof got.error === "string" ? got.error : "";
    return got;
  }

  const root = element("div", { className: "dc" });
  root.append(element("style", { textContent: STYLE }), element("h1", { textContent: "Convolution as diffusion" }));
  const tabs = element("div", { role: "tablist" });
  root.append(tabs, alertLine);
  el.append(root);
  const panels = {};
  function panel(name, title) {
    const shown = element("section", { role: "tabpanel", hidden: true, id: `dc-${name}` });
    const tab = element("button", { role: "tab", textContent: title, "aria-controls": `dc-${name}` });
    tab.onclick = () => {
      for (const [other, [t, p]] of Object.entries(panels)) {
        p.hidden = other !== name;
        t.setAttribute("aria-selected", String(other === name));
        t.tabIndex = other === name ? 0 : -1;
      }
    };
    tab.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const all = [...tabs.children];
      const next = all[(all.indexOf(tab) + step + all.length) % all.length];
      next.click();
      next.focus();
    };
    panels[name] = [tab, shown];
    tabs.append(tab);
    root.append(shown);
    return shown;
  }

  ask("start").then((first) => {
    tank(panel("tank", "Salt aquarium"), first);
    kernel(panel("kernel", "Kernels"), first);
    spectrum(panel("spectrum", "Spectrum"), first);
    tabs.firstChild.click();
    root.dataset.ready = "true";
  });

  function tank(panel, first) {
    const canvas = element("canvas", { id: "dc-salt", tabIndex: 0, "aria-label": "Tank of salt water; paint with the pointer, or move with the arrow keys and press space" });
    const curve = element("canvas", { className: "curve", width: 420, height: 140, "aria-label": "Mass and largest concentration against time" });
    const facts = element("output", { id: "dc-facts" }), brush = element("output", { id: "dc-brush", className: "faint" });
    const tools = element("div", { className: "row", role: "group", "aria-label": "Tool" });
    let tool = "salt", running = false, busy = false, pending = [], history = [], cursor = [128, 128], byKeys = false, pace = 1, shown = first, flux = false;
    for (const [name, title] of [["salt", "Salt"], ["water", "Fresh water"], ["wall", "Wall"], ["lift", "Lift wall"]]) {
      const button = element("button", { textContent: title, "aria-pressed": String(name === tool) });
      button.onclick = () => {
        tool = name;
        for (const other of tools.children) other.setAttribute("aria-pressed", String(other === button));
      };
      tools.append(button);
    }
    const radius = element("input", { type: "range", min: 1, max: 40, value: 10, "aria-label": "Brush radius in cells" });
    const diffusivity = element("input", { type: "range", min: -1, max: 2.5, step: 0.05, value: 1, "aria-label": "Diffusivity, cells squared per second" });
    const drift = { across: 0, down: 0 };
    const drifts = Object.keys(drift).map((direction) => {
      const slider = element("input", { type: "range", min: -20, max: 20, step: 1, value: 0, id: `dc-${direction}`, "aria-label": `Drift ${direction}, cells per second` });
      const said = element("output", { textContent: "0" });
      slider.oninput = () => { drift[direction] = slider.valueAsNumber; said.textContent = String(drift[direction]); };
      return element("label", {}, `Drift ${direction}`, slider, said);
    });
    const rate = element("output", {});
    diffusivity.oninput = () => { rate.textContent = `${(10 ** diffusivity.valueAsNumber).toPrecision(3)} cells²/s`; };
    diffusivity.oninput();
    const walls = element("select", { "aria-label": "Boundary" }, ...first.walls.map((w) => element("option", { textContent: w })));
    const go = element("button", { textContent: "Run", id: "dc-run" });
    const empty = element("button", { textContent: "Clear" });
    const seeFlux = element("button", { textContent: "Flux", "aria-pressed": "false" });
    function redraw() {
      const state = shown;
      const water = decoded(state.water);
      if (flux && state.flux) {
        const field = unpack(state.flux);
        draw(canvas, field, first.colours.viridis, 0, range(field.values)[1] || 1);
      } else draw(canvas, unpack(state.salt), first.colours.viridis, 0, 1, water);
      if (byKeys) ring(canvas, ...cursor, radius.valueAsNumber);
    }
    function show(state) {
      shown = state;
      redraw();
      facts.textContent = `time ${state.time.toFixed(1)} s · mass ${state.mass.toFixed(3)} · largest ${state.largest.toFixed(3)}`;
      canvas.dataset.mass = state.mass;
      history.push([state.time, state.mass, state.largest]);
      if (history.length > 2000) history = history.filter((_, i) => i % 2 === 0);
      const context = curve.getContext("2d");
      const style = getComputedStyle(root);
      context.clearRect(0, 0, curve.width, curve.height);
      const end = Math.max(1e-9, history.at(-1)[0]), most = Math.max(...history.map((h) => h[1]), 1e-9);
      for (const [k, top, colour] of [[1, most, "#1b9e77"], [2, 1, "#d95f02"]]) {
        context.strokeStyle = colour;
        context.lineWidth = 2;
        context.beginPath();
        history.forEach((h, i) => context[i ? "lineTo" : "moveTo"](40 + (370 * h[0]) / end, 120 - (105 * h[k]) / top));
        context.stroke();
      }
      context.fillStyle = style.color;
      context.font = "12px system-ui";
      context.fillText("mass (green), largest value (orange)", 44, 12);
      context.fillText(`0 s`, 36, 136);
      context.fillText(`${end.toFixed(0)} s`, 380, 136);
    }
    async function turn() {
      if (busy) return;
      busy = true;
      let took = 0;
      if (pending.length) { const strokes = pending; pending = []; show(await ask("paint", { strokes })); }
      if (running) {
        const began = performance.now();
        const state = await ask("run", { flux, duration: pace, diffusivity: 10 ** diffusivity.valueAsNumber, wall: walls.value, drift: [drift.down, drift.across] });
        took = performance.now() - began;
        pace = Math.max(1 / 16, Math.min(1, took > 30 ? pace / 2 : took < 25 ? pace * 1.25 : pace));  // shorter steps keep 20 frames a second
        if (state.salt) show(state); else { running = false; go.textContent = "Run"; }
      }
      busy = false;
      if (running || pending.length) (took > 15 && !document.hidden ? setTimeout : requestAnimationFrame)(turn);  // no frame to wait for
    }
    function stroke(x, y) { pending.push({ x, y, radius: radius.valueAsNumber, tool }); turn(); }
    let down = false, last = null;
    function at(event) {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * first.size, ((event.clientY - box.top) / box.height) * first.size];
    }
    canvas.onpointerdown = (event) => { down = true; byKeys = false; canvas.setPointerCapture(event.pointerId); last = at(event); stroke(...last); };
    canvas.onpointermove = (event) => {
      if (!down) return;
      const [x, y] = at(event), steps = Math.ceil(Math.hypot(x - last[0], y - last[1]) / Math.max(1, radius.valueAsNumber / 2));
      for (let i = 1; i <= steps; i++) stroke(last[0] + ((x - last[0]) * i) / steps, last[1] + ((y - last[1]) * i) / steps);
      last = [x, y];
    };
    canvas.onpointerup = canvas.onpointercancel = () => { down = false; };
    canvas.onkeydown = (event) => {
      const move = { ArrowLeft: [-8, 0], ArrowRight: [8, 0], ArrowUp: [0, -8], ArrowDown: [0, 8] }[event.key];
      if (move) cursor = cursor.map((c, i) => Math.max(0, Math.min(first.size - 1, c + move[i])));
      else if (event.key === " ") stroke(...cursor);
      else return;
      event.preventDefault();
      byKeys = true;
      if (move) redraw();
      brush.textContent = `brush at ${cursor.join(", ")}`;
    };
    canvas.onblur = () => { if (byKeys) { byKeys = false; redraw(); } };
    go.onclick = () => { running = !running; go.textContent = running ? "Pause" : "Run"; turn(); };
    empty.onclick = async () => { history = []; show(await ask("clear")); };
    seeFlux.onclick = () => { flux = !flux; seeFlux.setAttribute("aria-pressed", String(flux)); turn(); ask("paint", { strokes: [], flux }).then(show); };
    panel.append(element("div", { className: "sides" },
      element("figure", {}, canvas, element("figcaption", { textContent: "Paint salt and walls, then run. Colour: concentration, 0 to 1." })),
      element("div", { className: "controls" }, tools, element("label", {}, "Brush", radius), element("label", {}, "Diffusivity", diffusivity, rate),
        ...drifts, element("label", {}, "Boundary", walls), element("div", { className: "row" }, go, empty, seeFlux), facts, brush, curve)));
    show(first);
  }

  function kernel(panel, first) {
    const choose = element("select", { id: "dc-kernel", "aria-label": "Kernel" }, ...first.kernels.map((k) => element("option", { textContent: k })));
    choose.value = "sharpen";
    const grid = element("div", { className: "grid" }), soft = element("canvas", { "aria-label": "Softmax of the kernel" });
    const cloud = element("canvas", { id: "dc-grains", "aria-label": "Where ten thousand grains of one cell are" }), tally = element("figcaption", {});
    let uses = 0, jumps = 1;
    const words = element("pre", { id: "dc-words" }), picture = element("canvas", { id: "dc-picture", "aria-label": "The picture" });
    const caption = element("figcaption", {});
    const load = element("input", { type: "file", accept: "image/*", "aria-label": "Your own photograph" });
    let weights = null, limits = [0, 1];
    function show(packed, text) {
      const field = unpack(packed);
      draw(picture, field, first.colours.gray, ...limits);
      caption.textContent = text;
    }
    function options() { return { weights }; }
    async function jump(times) {
      jumps = times;  // at once: the next click counts on
      const got = await ask("grains", { ...options(), uses: times });
      if (!got.grains || times !== jumps) return;
      const field = unpack(got.grains);
      draw(cloud, field, first.colours.viridis, 0, Math.max(1, range(field.values)[1]));
      cloud.dataset.total = got.total;
      tally.textContent = `${got.total} grains of one cell after ${times} jump${times > 1 ? "s" : ""}.`;
    }
    async function learn(request) {
      const got = await ask("kernel", request);
      if (!got.weights) return;
      weights = got.weights;
      words.textContent = got.words;
      grid.style.gridTemplateColumns = `repeat(${weights[0].length}, auto)`;
      grid.replaceChildren();
      if (weights.length <= 9 && weights[0].length <= 9) {
        weights.forEach((row, i) => row.forEach((value, j) => {
          const cell = element("input", { value: +value.toPrecision(4), inputMode: "decimal", "aria-label": `weight ${i + 1}, ${j + 1}` });
          cell.onchange = () => {
            const typed = Number(cell.value);
            if (!Number.isFinite(typed)) { alertLine.textContent = "A weight must be a number."; return; }
            weights[i][j] = typed;
            learn({ weights });
          };
          grid.append(cell);
        }));
      } else grid.textContent = `${weights.length} × ${weights[0].length} weights`;
      const flat = Float32Array.from(got.softmax.flat());
      uses = 0;
      jump(1);
      draw(soft, { rows: got.softmax.length, columns: got.softmax[0].length, values: flat }, first.colours.viridis, 0, range(flat)[1]);
    }
    choose.onchange = () => learn({ name: choose.value });
    function button(title, action) { const made = element("button", { textContent: title }); made.onclick = action; return made; }
    const original = button("Original", async () => { limits = [0, 1]; uses = 0; show(first.picture, "The picture."); });
    async function convolve(times) {
      uses = times;
      const got = await ask("filtered", { ...options(), uses: times });
      if (!got.picture || times !== uses) return;
      const [low, high] = range(unpack(got.picture).values);
      limits = low < -1e-6 || high > 1 + 1e-6 ? [low, high] : [0, 1];
      show(got.picture, `Convolved ${times === 1 ? "once" : `${times} times`}: the sum over all grains. Black ${limits[0].toPrecision(3)}, white ${limits[1].toPrecision(3)}.`);
    }
    const convolved = button("Convolve", () => convolve(1)), again = button("Once more", () => convolve(Math.min(100, uses + 1)));
    async function measured(draws) {
      const got = await ask("measured", { ...options(), draws });
      if (got.picture) show(got.picture, `The mean of ${got.draws} draws for each pixel; off the convolution by ${got.error.toPrecision(3)} (rms).`);
    }
    load.onchange = async () => {
      const bitmap = load.files.length ? await createImageBitmap(load.files[0]).catch(() => null) : undefined;
      alertLine.textContent = bitmap === null ? "This file is no picture that the browser can read." : "";
      if (!bitmap) return;
      const scale = Math.min(1, 512 / Math.max(bitmap.width, bitmap.height));
      const columns = Math.max(1, Math.round(bitmap.width * scale)), rows = Math.max(1, Math.round(bitmap.height * scale));
      const canvas = element("canvas", { width: columns, height: rows });
      const context = canvas.getContext("2d");
      context.drawImage(bitmap, 0, 0, columns, rows);
      const pixels = context.getImageData(0, 0, columns, rows).data, gray = new Float32Array(rows * columns);
      for (let i = 0; i < gray.length; i++) gray[i] = (0.2126 * pixels[4 * i] + 0.7152 * pixels[4 * i + 1] + 0.0722 * pixels[4 * i + 2]) / 255;
      const got = await ask("photograph", { picture: pack(gray, rows, columns) });
      if (got.picture) { first.picture = got.picture; original.click(); }
    };
    panel.append(element("div", { className: "sides" },
      element("figure", {}, picture, caption),
      element("div", { className: "controls" }, element("label", {}, "Kernel", choose), grid,
        element("div", { className: "row" }, original, convolved, again, button("Measure once", () => measured(1)), button("Measure 100 times", () => measured(100))),
        element("label", {}, "Your photograph (it stays on this machine)", load), words,
        element("div", { className: "row" },
          element("figure", { style: "width: 140px; flex: none" }, soft, element("figcaption", { textContent: "Its softmax: where a grain may go." })),
          element("figure", { style: "width: 140px; flex: none" }, cloud, tally)),
        element("div", { className: "row" }, button("Jump again", () => jump(Math.min(100, jumps + 1))), button("Ten more jumps", () => jump(Math.min(100, jumps + 10)))))));
    learn({ name: choose.value });
    original.click();
  }

  function spectrum(panel, first) {
    const plane = element("canvas", { id: "dc-plane", tabIndex: 0, "aria-label": "Frequency plane; paint waves with the pointer, or move with the arrow keys and press space" }), picture = element("canvas", { "aria-label": "The picture of these waves" });
    let dots = [], cursor = [67, 64], byKeys = false, busy = false, stale = false;
    async function show() {
      if (busy) { stale = true; return; }
      busy = true;
      do { stale = false; await paint(); } while (stale);
      busy = false;
    }
    async function paint() {
      const got = await ask("waves", { dots });
      if (!got.picture) return;
      const shown = unpack(got.spectrum), waves = unpack(got.picture);
      draw(plane, shown, first.colours.viridis, 0, range(shown.values)[1] || 1);
      if (byKeys) ring(plane, cursor[0] + 0.5, cursor[1] + 0.5, 3);
      const [low, high] = range(waves.values);
      draw(picture, waves, first.colours.gray, low, high > low ? high : low + 1);
    }
    function dot(x, y) {
      if (dots.length < 256 && !dots.some((d) => d.x === x && d.y === y)) dots.push({ x, y });
      show();
    }
    function at(event) {
      const box = plane.getBoundingClientRect();
      const place = (where, from, length) => Math.max(-64, Math.min(63, Math.floor(((where - from) / length) * 128) - 64));
      dot(place(event.clientX, box.left, box.width), place(event.clientY, box.top, box.height));
    }
    plane.onpointerdown = (event) => { byKeys = false; plane.setPointerCapture(event.pointerId); at(event); };
    plane.onpointermove = (event) => { if (event.buttons) at(event); };
    plane.onkeydown = (event) => {
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!move && event.key !== " ") return;
      event.preventDefault();
      byKeys = true;
      if (move) { cursor = cursor.map((c, i) => Math.max(0, Math.min(127, c + move[i]))); show(); } else dot(cursor[0] - 64, cursor[1] - 64);
    };
    const clear = element("button", { textContent: "Clear" });
    clear.onclick = () => { dots = []; show(); };
    panel.append(element("div", { className: "sides" },
      element("figure", {}, plane, element("figcaption", { textContent: "Paint: each dot (and its mirror image) is one wave. Centre: frequency 0. Arrows and space do the same." })),
      element("figure", {}, picture, element("figcaption", { textContent: "The picture that has this spectrum." })), clear));
    show();
  }
}

export default { render };

// Outside of a notebook the page itself is the model: questions go to the server that sent it.
const place = typeof document === "undefined" ? null : document.getElementById("explorer");
if (place) {
  const listeners = [];
  const model = {
    on: (_, listener) => listeners.push(listener),
    send: async ({ id, request }) => {
      let answer;
      try {
        const reply = await fetch("ask", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request) });
        answer = reply.ok ? await reply.json() : { error: `the server refused (${reply.status})` };
      } catch { answer = { error: "the server does not answer: it has been stopped" }; }
      for (const listener of listeners) listener({ id, answer });
    },
  };
  render({ model, el: place });
}
