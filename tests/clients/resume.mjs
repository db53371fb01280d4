// Follows tasks through a connection that breaks, and resumes behind the last event:
// node resume.mjs graphql-ws|graphql-sse URL MISSED. Single results come over the same client.
// Prints "following" and "cut" when so, waits for a line each time before it goes on, and prints the events at last.
import { once } from 'node:events';
import net from 'node:net';
import readline from 'node:readline';

const [name, address, missed] = process.argv.slice(2);
const { createClient } = await import(name);
const target = new URL(address);
const lines = readline.createInterface({ input: process.stdin });

async function say(word) {
  console.log(word);
  await once(lines, 'line');
}

// The network between client and hub; its sockets are destroyed as by a cable that is pulled.
const sockets = new Set();
const network = net.createServer((near) => {
  const far = net.connect(target.port, target.hostname);
  near.pipe(far).pipe(near);
  for (const socket of [near, far]) {
    sockets.add(socket);
    socket.on('error', () => {});
  }
});
network.listen(0, '127.0.0.1');
await once(network, 'listening');

const client = createClient({ url: `${name === 'graphql-ws' ? 'ws' : 'http'}://127.0.0.1:${network.address().port}/graphql`, retryAttempts: 0 });
const query = 'subscription ($after: String) { tasks(after: $after) { cursor task { title } } }';
const events = [];

async function follow(after, until) {
  for await (const { data, errors } of client.iterate({ query, variables: { after } })) {
    if (errors) throw new Error(JSON.stringify(errors));
    events.push(data.tasks);
    if (until()) return;
  }
}

let broke = null;
let first;
const heard = new Promise((resolve) => (first = resolve));
const following = follow('0', () => first() && false).catch((error) => (broke = error));
await heard;
await say('following');
for (const socket of sockets) socket.destroy();
await following;
await say('cut');
await follow(events.at(-1).cursor, () => events.length === 1 + Number(missed));
const answers = [];
for await (const answer of client.iterate({ query: '{ tickets { totalCount } }' })) answers.push(answer);
try {
  for await (const { errors } of client.iterate({ query: '{ nothing }' })) throw errors;
} catch (errors) {
  answers.push(errors[0].extensions.code);
}
console.log(JSON.stringify({ events, broke: broke?.constructor?.name ?? String(broke), code: broke?.code, answers }));
await client.dispose();
network.close();
lines.close();
