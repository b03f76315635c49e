// Runs json-logic-engine over a job, as peers.py does for the Python engines: node peer.mjs FOLDER JOB
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [folder, job] = process.argv.slice(2);
const { LogicEngine } = createRequire(folder + "/")("json-logic-engine");
const { rules, profiles, repeats } = JSON.parse(readFileSync(job, "utf8"));

// CPU seconds of this process, so that what else the machine does is not counted.
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

let started = cpu();
const engine = new LogicEngine();
const compiled = rules.map((rule) => engine.build(rule));
const build = cpu() - started;

const evaluate = (profile) => compiled.map((rule) => Boolean(rule(profile)));
const hex = (found) => {
  let digits = "";
  for (let i = 0; i < found.length; i += 4) {
    let digit = 0;
    for (let j = 0; j < 4; j++) if (found[i + j]) digit |= 1 << j;
    digits = digit.toString(16) + digits;
  }
  return digits || "0";
};
const members = profiles.map((profile) => hex(evaluate(profile)));
const seconds = [];
for (let repeat = 0; repeat < repeats; repeat++) {
  for (const profile of profiles) {
    started = cpu();
    evaluate(profile);
    seconds.push(cpu() - started);
  }
}
seconds.sort((a, b) => a - b);
console.log(JSON.stringify({ build, seconds: seconds[seconds.length >> 1], members }));
