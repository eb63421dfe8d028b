"use strict";
// English and Chinese side by side: a text is changed in both or in neither.
const TEXTS = {
  instruments: ["Instruments", "仪器"],
  lines: ["Lines", "线路"],
  uplinks: ["Uplinks", "上行链路"],
  log: ["Log", "日志"],
  up: ["up", "正常"],
  down: ["down", "中断"],
  answers: ["answers", "应答正常"],
  silent: ["does not answer", "无应答"],
  never: ["no reading yet", "尚无读数"],
  ago: ["ago", "前"],
  connected: ["connected", "已连接"],
  disconnected: ["not connected", "未连接"],
  unheard: ["nobody listens", "无人订阅"],
  backlog: ["waiting", "待发"],
  batches: ["batches", "批"],
  acknowledged: ["acknowledged", "已确认"],
  oldest: ["oldest", "最早"],
  faults: ["faults", "故障计数"],
  none: ["none", "无"],
  seq: ["sequence", "序号"],
  stream: ["stream", "流"],
  size: ["size", "大小"],
  written: ["written a day", "每日写入"],
  card: ["card life, projected", "存储卡预计寿命"],
  years: ["years", "年"],
  holding: ["readings are held back until the clock is set", "时钟校准前暂存读数"],
  clock: ["clock", "时钟"],
  synced: ["synchronised", "已同步"],
  holdover: ["not confirmed", "未确认"],
  unset: ["not set", "未设置"],
  healthy: ["healthy", "运行正常"],
  unhealthy: ["needs attention", "需要处理"],
  unreachable: ["the gateway does not answer", "网关无应答"],
  since: ["running since", "运行自"],
  version: ["version", "版本"],
  expires: ["certificate until", "证书有效期至"],
  marking: ["Mark an instrument", "设置仪器标记"],
  instrument: ["Instrument", "仪器"],
  flag: ["Work", "工作内容"],
  maintenance: ["maintenance (M)", "维护 (M)"],
  calibration: ["calibration (C)", "校准 (C)"],
  lasting: ["For", "时长"],
  hour: ["1 hour", "1 小时"],
  hours4: ["4 hours", "4 小时"],
  hours8: ["8 hours", "8 小时"],
  day: ["1 day", "1 天"],
  week: ["7 days", "7 天"],
  over: ["10 seconds more (to end a mark)", "再 10 秒（结束标记）"],
  who: ["Who", "人员"],
  password: ["Password", "密码"],
  set: ["Set the mark", "设置标记"],
  marked: ["marked", "已标记"],
  until: ["until", "至"],
  refused: ["not set", "未设置"],
};
const REFRESH_MS = 2000;
let language = (localStorage.getItem("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en")) === "zh" ? 1 : 0;
const say = (key) => TEXTS[key][language];
const byId = (id) => document.getElementById(id);

function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}
function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let index = 0;
  while (count >= 1000 && index < units.length - 1) { count /= 1000; index += 1; }
  return `${count.toFixed(count < 10 && index ? 1 : 0)} ${units[index]}`;
}
// decimals are for display only; the feed carries the value as it was decoded
const shown = (point) => point.value === null ? "–"
  : typeof point.value === "number" && point.decimals !== null ? point.value.toFixed(point.decimals) : String(point.value);

function card(title, aside, stateClass, state, rows) {
  return element("div", "card",
    element("h3", "", title, element("span", "", aside ?? "")),
    element("div", `state ${stateClass}`, state),
    ...rows.filter((each) => each !== null));
}
const marked = (mark) => `${say("marked")} [${mark.flag}]: ${mark.who}, ${say("until")} ${new Date(mark.until).toLocaleString()}`;
function instrument(row) {
  const table = element("table", "");
  const reasons = new Set();
  for (const point of row.points) {
    const odd = point.flag && point.flag !== "N";
    table.append(element("tr", point.value === null ? "bad" : odd ? "odd" : "",
      element("td", "", point.id + (odd ? ` [${point.flag}]` : "")),
      element("td", "value", shown(point)),
      element("td", "unit", point.unit === "1" ? "" : point.unit ?? "")));  // "1": a plain number
    if (point.why) reasons.add(point.why);
  }
  const age = row.age_s === null ? say("never") : `${duration(row.age_s)} ${say("ago")}`;
  const why = [...reasons].slice(0, 3).map((reason) => element("div", "why", reason));
  if (row.mark) why.unshift(element("div", "odd", marked(row.mark)));
  return card(row.title || row.id, age, row.answering ? "good" : "bad", row.answering ? say("answers") : say("silent"), [table, ...why]);
}
function line(row) {
  const faults = Object.entries(row.faults).map(([fault, count]) => `${fault} ${count}`).join(", ") || say("none");
  return card(row.id, "", row.up ? "good" : "bad", row.up ? say("up") : `${say("down")}: ${row.state}`,
    [element("div", "why", `${say("faults")}: ${faults}`)]);
}
function uplink(row) {
  const good = row.connected && !row.unheard;
  const state = !row.connected ? say("disconnected") : row.unheard ? say("unheard") : say("connected");
  const rows = [element("div", "", `${say("backlog")}: ${row.backlog} ${say("batches")}` + (row.oldest_s === null ? "" : `, ${say("oldest")} ${duration(row.oldest_s)}`)),
    element("div", "", `${say("acknowledged")}: ${row.acknowledged}`)];
  if (row.trouble) rows.push(element("div", "bad", row.trouble));
  if (row.certificate_expiry) rows.push(element("div", "why", `${say("expires")} ${new Date(row.certificate_expiry * 1000).toISOString().slice(0, 10)}`));
  return card(row.id, "", good ? "good" : "bad", state, rows);
}
function log(row) {
  const rows = [element("div", "", `${say("stream")} ${row.stream}, ${say("seq")} ${row.seq}, ${row.batches} ${say("batches")}`),
    element("div", "", `${say("size")}: ${bytes(row.bytes)} / ${bytes(row.max_bytes)}`),
    row.written_bytes_per_day === null ? null
      : element("div", "", `${say("written")}: ${bytes(row.written_bytes_per_day)}` + (row.card_life_years === null ? "" : `; ${say("card")}: ${row.card_life_years} ${say("years")}`))];
  if (row.holding) rows.push(element("div", "odd", say("holding")));
  return card(say("log"), "", row.trouble ? "bad" : "good", row.trouble ?? say("up"), rows);
}
function show(status) {
  document.documentElement.lang = language ? "zh" : "en";
  for (const place of document.querySelectorAll("[data-text]")) place.textContent = say(place.dataset.text);
  byId("language").textContent = language ? "English" : "中文";
  document.title = status.gateway;
  byId("title").textContent = status.site ? `${status.site} · ${status.gateway}` : status.gateway;
  const clock = `${say("clock")} ${say(status.clock.state)}`;
  byId("summary").textContent = `${status.healthy ? say("healthy") : say("unhealthy")} · ${clock} · ${new Date(status.now).toLocaleString()} · ${say("version")} ${status.version} · ${say("since")} ${new Date(status.since).toLocaleString()}`;
  byId("troubles").hidden = status.healthy;
  byId("troubles").textContent = status.troubles.join("\n");
  for (const [id, draw, rows] of [["instruments", instrument, status.instruments], ["lines", line, status.lines], ["uplinks", uplink, status.uplinks], ["log", log, [status.log]]]) {
    byId(id).className = "grid";
    byId(id).replaceChildren(...rows.map(draw));
  }
  byId("marking").hidden = !status.marking;
  const names = status.instruments.map((row) => row.id).join("\n");
  if (byId("instrument").dataset.names !== names) {  // else what somebody is choosing stays as it is
    byId("instrument").dataset.names = names;
    byId("instrument").replaceChildren(...status.instruments.map((row) => {
      const option = element("option", "", row.title ? `${row.title} (${row.id})` : row.id);
      option.value = row.id;
      return option;
    }));
  }
}
let last = null;
async function refresh() {
  try {
    last = await (await fetch("status.json", { cache: "no-store" })).json();
    show(last);
  } catch {
    byId("troubles").hidden = false;
    byId("troubles").textContent = say("unreachable");
  }
  setTimeout(refresh, REFRESH_MS);
}
async function mark() {
  const { now } = await (await fetch("status.json", { cache: "no-store" })).json();  // the gateway's clock, not this one's
  const secret = new TextEncoder().encode(`:${byId("password").value}`);
  const answer = await fetch("mark", {
    method: "POST",
    credentials: "omit",  // the browser neither keeps the password nor asks for it by itself
    headers: { "Content-Type": "application/json", "Authorization": `Basic ${btoa(String.fromCharCode(...secret))}` },
    body: JSON.stringify({ instrument: byId("instrument").value, flag: byId("flag").value, who: byId("who").value.trim(),
      until: now + 1000 * Number(byId("lasting").value) }),
  });
  const told = await answer.json();
  if (!answer.ok) throw new Error(told.error);
  return told;
}
byId("mark").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("said").textContent = "…";
  try {
    const told = await mark();
    byId("said").className = "good";
    byId("said").textContent = `${told.instrument}: ${marked({ ...told, who: byId("who").value })}`;
    byId("password").value = "";
  } catch (error) {
    byId("said").className = "bad";
    byId("said").textContent = `${say("refused")}: ${error.message}`;
  }
});
byId("language").addEventListener("click", () => {
  language = 1 - language;
  localStorage.setItem("language", language ? "zh" : "en");
  if (last) show(last);
});
refresh();
