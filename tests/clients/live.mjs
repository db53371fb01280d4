// Follows tasks as portals do: node live.mjs apollo|urql ADDRESS, Apollo over a WebSocket, urql by server-sent events.
// Prints "following" behind the first event, waits for a line, and prints the first three events at last.
import { once } from 'node:events';
import readline from 'node:readline';
import { ApolloClient, InMemoryCache, gql } from '@apollo/client';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { createClient as createEvents } from 'graphql-sse';
import { createClient as createSocket } from 'graphql-ws';
import { Client, subscriptionExchange } from 'urql';

const [name, address] = process.argv.slice(2);
const TASKS = 'subscription Tasks($after: String) { tasks(after: $after) { cursor task { title } } }';
const variables = { after: '0' };
const lines = readline.createInterface({ input: process.stdin });
const events = [];
let wake;

function take({ data, error }) {
  if (error) throw error;
  events.push(data.tasks);
  wake?.();
}

async function count(wanted) {
  while (events.length < wanted) await new Promise((resolve) => (wake = resolve));
}

function followWithApollo() {
  const socket = createSocket({ url: `ws://${address}/graphql` });
  const client = new ApolloClient({ link: new GraphQLWsLink(socket), cache: new InMemoryCache() });
  const following = client.subscribe({ query: gql(TASKS), variables }).subscribe(take);
  return () => {
    following.unsubscribe();
    client.stop();
    return socket.dispose();
  };
}

function followWithUrql() {
  const stream = createEvents({ url: `http://${address}/graphql` });
  const forwardSubscription = ({ query, variables }) => ({
    subscribe: (sink) => ({ unsubscribe: stream.subscribe({ query, variables }, sink) }),
  });
  const client = new Client({
    url: `http://${address}/graphql`,
    exchanges: [subscriptionExchange({ forwardSubscription })],
  });
  const following = client.subscription(TASKS, variables).subscribe(take);
  return () => {
    following.unsubscribe();
    return stream.dispose();
  };
}

const end = { apollo: followWithApollo, urql: followWithUrql }[name]();
await count(1);
console.log('following');
await once(lines, 'line');
await count(3);
console.log(JSON.stringify(events.map(({ cursor, task }) => [cursor, task.title])));
await end();
lines.close();
