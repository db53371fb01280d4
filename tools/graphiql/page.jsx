// The GraphiQL page: queries over HTTP, subscriptions over graphql-transport-ws, both to where the page came from.
import React from 'react';
import { createRoot } from 'react-dom/client';
import { GraphiQL } from 'graphiql';
import { createGraphiQLFetcher } from '@graphiql/toolkit';
import { createClient } from 'graphql-ws';
import 'graphiql/graphiql.css';
import './page.css';

const EXAMPLE = `# Ctrl-Enter runs the query. With a token configured, write into "Headers":
#   { "authorization": "Bearer ..." }
query OpenTickets {
  feedCursor
  tickets(first: 10, filter: { state: { in: [NEW, IN_PROGRESS] } }, orderBy: [{ field: PRIORITY }]) {
    totalCount
    nodes {
      number
      priority
      title
      site { name }
      reservations { state product { model } hub { name } }
      shipments { trackingNumber status }
    }
  }
}

# Select "Follow" beside the run button, then bring an incident about.
subscription Follow {
  shipmentStatus {
    cursor
    at
    before
    after
    shipment { trackingNumber carrier ticket { number } }
  }
}
`;

const socket = new URL(window.location.href);
socket.protocol = socket.protocol === 'https:' ? 'wss:' : 'ws:';
socket.search = socket.hash = '';

function authorization(headers) {
  const found = Object.entries(headers ?? {}).find(([name]) => name.toLowerCase() === 'authorization');
  return found ? { authorization: found[1] } : {};
}

let client = null;
let clientKey = null;

function clientFor(headers) {
  const params = authorization(headers);
  const key = JSON.stringify(params);
  if (key !== clientKey) {
    client?.dispose();
    client = createClient({ url: socket.toString(), connectionParams: params });
    clientKey = key;
  }
  return client;
}

function fetcher(params, options) {
  const wsClient = clientFor(options?.headers);
  return createGraphiQLFetcher({ url: window.location.pathname, wsClient })(params, options);
}

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL fetcher={fetcher} defaultQuery={EXAMPLE} defaultEditorToolsVisibility={false} />,
);
