// Modbus TCP slaves by npm packages, the other side of the interoperation tests.
//   node npm_slave.js modbus-serial | jsmodbus       prints "ready PORT"; stdin as in process.py
"use strict";
const net = require("net");
const path = require("path");
const readline = require("readline");
const { createRequire } = require("module");

const installed = createRequire(path.join(process.cwd(), "package.json"));
const tables = { 1: Buffer.alloc(65536), 2: Buffer.alloc(65536), 3: Buffer.alloc(131072), 4: Buffer.alloc(131072) };

function modbusSerial(port) {
    const { ServerTCP } = installed("modbus-serial");
    const server = new ServerTCP({
        getCoil: (address) => Boolean(tables[1][address]),
        getDiscreteInput: (address) => Boolean(tables[2][address]),
        getHoldingRegister: (address) => tables[3].readUInt16BE(2 * address),
        getInputRegister: (address) => tables[4].readUInt16BE(2 * address),
        setCoil: (address, value) => { tables[1][address] = value ? 1 : 0; },
        setRegister: (address, value) => { tables[3].writeUInt16BE(value, 2 * address); },
    }, { host: "127.0.0.1", port, unitID: 255 });
    return new Promise((resolve) => server.on("initialized", resolve));
}

function jsmodbus(port) {
    const { server: { TCP } } = installed("jsmodbus");
    const listener = net.createServer();
    // this one wants its bits packed
    packed = { 1: Buffer.alloc(8192), 2: Buffer.alloc(8192) };
    new TCP(listener, { coils: packed[1], discrete: packed[2], holding: tables[3], input: tables[4] });
    return new Promise((resolve) => listener.listen(port, "127.0.0.1", resolve));
}

let packed = null;

function set(fn, address, value) {
    if (fn >= 3) {
        tables[fn].writeUInt16BE(value, 2 * address);
        return;
    }
    tables[fn][address] = value;
    if (packed) {
        const mask = 1 << address % 8;
        packed[fn][address >> 3] = value ? packed[fn][address >> 3] | mask : packed[fn][address >> 3] & ~mask;
    }
}

function freePort() {
    return new Promise((resolve) => {
        const probe = net.createServer().listen(0, "127.0.0.1", () => {
            const { port } = probe.address();
            probe.close(() => resolve(port));
        });
    });
}

async function main() {
    const port = await freePort();
    await (process.argv[2] === "jsmodbus" ? jsmodbus : modbusSerial)(port);
    console.log(`ready ${port}`);
    for await (const line of readline.createInterface({ input: process.stdin })) {
        if (line.startsWith("sync")) console.log(line);
        else {
            const [, fn, address, value] = line.split(" ").map(Number);
            set(fn, address, value);
        }
    }
    process.exit(0);
}

main();
