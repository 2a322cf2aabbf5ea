"use strict";
// The whole page: one form that becomes what the chosen model takes, and its answer. Nothing here
// loads anything but the answers of this server, and texts reach the page as text alone.

const find = (id) => document.getElementById(id);
const models = JSON.parse(find("models").textContent);
const LONGEST = 900; // pixels of a shown picture
const state = { model: models[0], blob: null, stream: null, asked: 0, accelerator: null };

function make(tag, text, properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text ?? "", ...properties });
}

// What the chosen model takes

function choose(model) {
  Object.assign(state, { model, blob: null, accelerator: null });
  const { input } = model;
  const draws = input.kind === "draw";
  document.title = `${model.name} – Twite playground`;
  find("name").textContent = model.name;
  find("description").textContent = model.description;
  for (const kind of ["draw", "picture", "features", "text", "tensors"]) {
    find(`input-${kind}`).hidden = !(input.kind === kind || (draws && kind === "picture"));
  }
  find("picture").hidden = true;
  find("file").value = "";
  find("ranked").hidden = find("top").disabled = !model.top;
  find("top").value = model.top || 1;
  if (draws) resetPad();
  if (input.kind === "features") showColumns(input);
  if (input.kind === "tensors") find("tensors").value = input.example;
  find("answer").replaceChildren();
  say("Nothing has been asked yet.");
  showFacts();
  find("report").hidden = !model.report;
  if (model.report) find("report").href = model.report;
  showCode();
}

function showColumns({ columns, example }) {
  find("columns").replaceChildren(...columns.map((column, i) => {
    const cell = make("div");
    const id = `column-${i}`;
    const field = make("input", "", { id, type: "number", step: "any", required: true, value: example[i] });
    cell.append(make("label", column, { htmlFor: id }), field);
    return cell;
  }));
}

const fields = () => [...find("columns").querySelectorAll("input")];

// The drawing pad

const pad = find("pad");
const pen = { x: 0, y: 0, down: false };

function resetPad() {
  const { width, height } = state.model.input;
  const scale = Math.max(1, Math.round(280 / Math.max(width, height)));
  Object.assign(pad, { width: width * scale, height: height * scale });
  pad.style.aspectRatio = `${width} / ${height}`;
  const paint = pad.getContext("2d");
  paint.fillStyle = find("invert").checked ? "white" : "black";
  paint.fillRect(0, 0, pad.width, pad.height);
  Object.assign(pen, { x: pad.width / 2, y: pad.height / 2, down: false });
}

function place(event) {
  const box = pad.getBoundingClientRect();
  return [(event.clientX - box.left) * pad.width / box.width, (event.clientY - box.top) * pad.height / box.height];
}

function stroke(x, y) {
  const paint = pad.getContext("2d");
  Object.assign(paint, { lineWidth: pad.width / 11, lineCap: "round", lineJoin: "round" });
  paint.strokeStyle = find("invert").checked ? "black" : "white";
  paint.beginPath();
  paint.moveTo(pen.x, pen.y);
  paint.lineTo(x, y);
  paint.stroke();
  Object.assign(pen, { x, y });
}

function beginStroke(event) {
  if (event.button) return;
  pad.setPointerCapture(event.pointerId);
  [pen.x, pen.y] = place(event);
  pen.down = true;
  stroke(pen.x, pen.y);
}

function endStroke() {
  if (!pen.down) return;
  pen.down = false;
  useDrawing();
}

function useDrawing() {
  pad.toBlob((blob) => {
    state.blob = blob;
    find("picture").hidden = true;
    send();
  }, "image/png");
}

function drawByKey(event) {
  const step = pad.width / 28;
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (event.key in moves) {
    const [x, y] = moves[event.key];
    const to = [Math.min(pad.width, Math.max(0, pen.x + x)), Math.min(pad.height, Math.max(0, pen.y + y))];
    if (pen.down) stroke(...to); else [pen.x, pen.y] = to;
  } else if (event.key === " ") {
    if (pen.down) endStroke();
    else {
      pen.down = true;
      stroke(pen.x, pen.y);
      say("The pen is down.");
    }
  } else if (event.key === "Delete" || event.key === "Backspace") {
    clear();
  } else return;
  event.preventDefault();
}

function clear() {
  resetPad();
  state.blob = null;
  find("answer").replaceChildren();
  say("The pad is empty.");
}

// Pictures

async function usePicture(blob) {
  closeCamera();
  state.blob = blob;
  await showPicture();
  send();
}

async function showPicture(boxes = []) {
  const canvas = find("picture");
  let bitmap;
  try {
    bitmap = await createImageBitmap(state.blob);
  } catch {
    canvas.hidden = true; // The server may read what this browser does not.
    return;
  }
  const scale = Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height));
  Object.assign(canvas, { width: bitmap.width * scale, height: bitmap.height * scale, hidden: false });
  const paint = canvas.getContext("2d");
  paint.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  boxes.forEach(({ box, ...found }) => drawBox(paint, box.map((edge) => edge * scale), found));
  const objects = boxes.length ? `, with ${boxes.length} boxes drawn on it` : "";
  canvas.setAttribute("aria-label", `The chosen picture${objects}`);
}

function drawBox(paint, [left, top, right, bottom], found) {
  const size = Math.max(12, paint.canvas.width / 32);
  const text = `${found.class} ${percent(found.confidence)}`;
  Object.assign(paint, { lineWidth: Math.max(2, size / 6), strokeStyle: "#ffd400", font: `600 ${size}px system-ui`, textBaseline: "top" });
  paint.strokeRect(left, top, right - left, bottom - top);
  const y = top >= size * 1.4 ? top - size * 1.4 : top;
  paint.fillStyle = "#ffd400";
  paint.fillRect(left, y, paint.measureText(text).width + size / 2, size * 1.4);
  paint.fillStyle = "black";
  paint.fillText(text, left + size / 4, y + size / 5);
}

async function openCamera() {
  try {
    state.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch (error) {
    say(`The camera cannot be used here: ${error.message}`, true);
    return;
  }
  find("viewfinder").hidden = false;
  find("video").srcObject = state.stream;
  await find("video").play();
  find("shoot").focus();
}

function closeCamera() {
  state.stream?.getTracks().forEach((track) => track.stop());
  state.stream = find("video").srcObject = null;
  find("viewfinder").hidden = true;
}

function shoot() {
  const video = find("video");
  const canvas = make("canvas", "", { width: video.videoWidth, height: video.videoHeight });
  canvas.getContext("2d").drawImage(video, 0, 0);
  canvas.toBlob(usePicture, "image/jpeg", 0.9);
}

// The request

const path = () => state.model.path + (state.model.top ? `?top_k=${find("top").value || 1}` : "");

function table() {
  const { input } = state.model;
  if (input.kind === "text") return { text: find("text").value };
  if (input.kind === "tensors") return JSON.parse(find("tensors").value);
  const numbers = fields().map((field) => (field.value === "" ? null : Number(field.value)));
  return { features: input.named ? Object.fromEntries(input.columns.map((c, i) => [c, numbers[i]])) : numbers };
}

function body() {
  if (!["draw", "picture"].includes(state.model.input.kind)) {
    return { body: JSON.stringify(table()), headers: { "content-type": "application/json" } };
  }
  const form = new FormData();
  form.append("image", state.blob, "picture");
  return { body: form, headers: {} };
}

function lacking() {
  const { kind } = state.model.input;
  if (kind === "draw" && !state.blob) return "Draw or choose something first.";
  if (kind === "picture" && !state.blob) return "Choose a picture first.";
  if (kind === "text" && !find("text").value) return "Write a text first.";
  return "";
}

async function send() {
  if (lacking()) return say(lacking(), true);
  if (!find("request").reportValidity()) return undefined;
  const asked = ++state.asked;
  let request;
  try {
    request = body();
  } catch (error) {
    return say(`This is not JSON: ${error.message}`, true);
  }
  const key = find("key").value;
  if (key) request.headers.authorization = `Bearer ${key}`;
  showCode();
  find("send").setAttribute("aria-busy", "true");
  const begin = performance.now();
  try {
    const response = await fetch(path(), { method: "POST", ...request });
    const answer = await response.json();
    const took = performance.now() - begin;
    state.accelerator = await runningAccelerator();
    if (asked === state.asked) show(response, answer, took);
  } catch (error) {
    if (asked === state.asked) say(`No answer came: ${error.message}`, true);
  } finally {
    find("send").removeAttribute("aria-busy");
  }
  return undefined;
}

// The answer

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const short = (value) => (Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(6))));

function say(text, bad = false) {
  find("status").textContent = text;
  find("status").classList.toggle("bad", bad);
}

function show(response, answer, took) {
  find("answer").replaceChildren();
  showFacts(took);
  if (!response.ok) {
    if (response.status === 401) {
      find("key-wanted").hidden = false;
      find("key").focus();
    }
    return say(answer.error || `the server answered ${response.status}`, true);
  }
  const kinds = { classes: showClasses, boxes: showBoxes, regression: showNumbers };
  return (kinds[state.model.answer] || showTensors)(answer.prediction);
}

function list(entries) {
  const items = entries.map(({ class: name, confidence }) => {
    const item = make("li");
    const bar = make("span", "", { className: "bar" });
    bar.style.width = `${Math.min(100, Math.max(0, 100 * confidence))}%`;
    item.append(bar, make("span", name), make("span", percent(confidence)));
    return item;
  });
  const found = make("ol");
  found.append(...items);
  find("answer").append(found);
}

function showClasses(classes) {
  list(classes);
  say(`${classes[0].class}, ${percent(classes[0].confidence)}`);
}

async function showBoxes(boxes) {
  list(boxes);
  say(boxes.length ? `${boxes.length} found` : "Nothing was found.");
  await showPicture(boxes);
}

function showNumbers(prediction) {
  const numbers = [prediction].flat(2).map(short).join(", ");
  find("answer").append(make("p", numbers, { className: "number" }));
  say(`The answer is ${numbers}.`);
}

function showTensors(prediction) {
  const text = make("pre", JSON.stringify(prediction, null, 1), { tabIndex: 0 });
  text.setAttribute("aria-label", "Tensors");
  text.setAttribute("role", "region");
  find("answer").append(text);
  say(`Tensors came: ${Object.keys(prediction).join(", ")}.`);
}

// An accelerator may be chosen, fail or come back while the page is open: readiness tells.
async function runningAccelerator() {
  const { name, version } = state.model;
  const said = await fetch("readyz").then((response) => response.json()).catch(() => ({}));
  const entry = (said.models ?? [said]).find((each) => each.model === name && each.version === version);
  return entry?.accelerator?.state === "running" ? entry.accelerator.name : null;
}

function showFacts(took) {
  const facts = { ...state.model.facts };
  if (state.accelerator) facts.Accelerator = state.accelerator;
  if (took !== undefined) facts["Round trip"] = `${took.toFixed(1)} ms`;
  find("facts").replaceChildren(...Object.entries(facts).flatMap(([name, text]) => [make("dt", name), make("dd", text)]));
}

// The same request elsewhere

function showCode() {
  const url = new URL(path(), location.href).href;
  const picture = ["draw", "picture"].includes(state.model.input.kind);
  const key = find("key").value;
  let sent = {};
  try {
    sent = picture ? {} : table();
  } catch {
    return; // Half-written JSON: what stands there stays.
  }
  const json = JSON.stringify(sent);
  const quoted = `'${json.replaceAll("'", "'\\''")}'`;
  const header = key ? ` -H "Authorization: Bearer $TWITE_API_KEY"` : "";
  find("curl").textContent = picture
    ? `curl${header} -F image=@picture.png '${url}'`
    : `curl${header} --json ${quoted} '${url}'`;
  const headers = key ? `, headers={"Authorization": "Bearer " + os.environ["TWITE_API_KEY"]}` : "";
  const [before, content] = picture
    ? [`with open("picture.png", "rb") as file:\n    picture = file.read()\n`, `files={"image": picture}`]
    : [`body = ${python(sent)}\n`, "json=body"];
  find("python").textContent = `${key ? "import os\n\n" : ""}import requests\n\n${before}` +
    `answer = requests.post("${url}", ${content}${headers})\nprint(answer.json())\n`;
}

function python(value) {
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value !== "object") return JSON.stringify(value);
  return `{${Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}: ${python(item)}`).join(", ")}}`;
}

async function copy(button) {
  const source = find(button.dataset.copies);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source); // Without https there is no clipboard to write to.
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

// The page

function listen() {
  const on = (id, type, action) => find(id).addEventListener(type, action);
  on("request", "submit", (event) => { event.preventDefault(); send(); });
  on("request", "input", showCode);
  on("model", "change", () => choose(models[find("model").selectedIndex]));
  on("pad", "pointerdown", beginStroke);
  on("pad", "pointermove", (event) => { if (pen.down && event.buttons) stroke(...place(event)); });
  on("pad", "pointerup", endStroke);
  on("pad", "pointercancel", endStroke);
  on("pad", "keydown", drawByKey);
  on("clear", "click", clear);
  on("invert", "change", clear);
  on("file", "change", () => { if (find("file").files[0]) usePicture(find("file").files[0]); });
  on("camera", "click", openCamera);
  on("shoot", "click", shoot);
  on("dismiss", "click", closeCamera);
  for (const type of ["dragover", "dragleave", "drop"]) {
    on("drop", type, (event) => { event.preventDefault(); find("drop").classList.toggle("over", type === "dragover"); });
  }
  on("drop", "drop", (event) => { if (event.dataTransfer.files[0]) usePicture(event.dataTransfer.files[0]); });
  document.addEventListener("paste", (event) => {
    const file = [...event.clipboardData.files].find((each) => each.type.startsWith("image/"));
    if (file && !find("input-picture").hidden) usePicture(file);
  });
  document.querySelectorAll("[data-copies]").forEach((button) => button.addEventListener("click", () => copy(button)));
  find("camera").hidden = !navigator.mediaDevices?.getUserMedia;
}

find("model").append(...models.map((model) => make("option", `${model.name} ${model.version}`)));
find("choice").hidden = models.length === 1;
listen();
choose(models[0]);
