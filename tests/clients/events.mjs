// Follows tasks by server-sent events through a connection that breaks, and resumes: node events.mjs URL MISSED
// Prints "following" and "cut" when so, waits for a line each time before it goes on, and prints what came at last.
import { once } from 'node:events';
import net from 'node:net';
import readline from 'node:readline';
import { createClient } from 'graphql-sse';

const [address, missed] = process.argv.slice(2);
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

const client = createClient({ url: `http://127.0.0.1:${network.address().port}/graphql`, retryAttempts: 0 });
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
for await (const answer of client.iterate({ query: '{ nothing }' })) answers.push(answer.errors[0].extensions.code);
console.log(JSON.stringify({ events, broke: broke?.constructor?.name ?? String(broke), answers }));
client.dispose();
network.close();
lines.close();
