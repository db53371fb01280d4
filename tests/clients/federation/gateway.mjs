// A graph of the hub and a subgraph of cost centres behind Apollo's gateway: node gateway.mjs URL TOKEN PLACES
import { ApolloGateway, IntrospectAndCompose, RemoteGraphQLDataSource } from '@apollo/gateway';
import { ApolloServer } from '@apollo/server';
import { buildSubgraphSchema } from '@apollo/subgraph';
import { composeServices, compositionHasErrors } from '@theguild/federation-composition';
import { graphql, parse } from 'graphql';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

const [uri, token, places] = process.argv.slice(2);
const { sites, hubs } = JSON.parse(places);

const typeDefs = parse(`
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.4", import: ["@key", "@shareable"])
  type Query { costCentres: CostCentreConnection! costCentre(code: String!): CostCentre }
  type CostCentre @key(fields: "code") { code: String! sites: [Site]! hubs: [Hub!]! }
  type CostCentreConnection { nodes: [CostCentre!]! pageInfo: PageInfo! }
  type PageInfo @shareable { hasNextPage: Boolean! hasPreviousPage: Boolean! startCursor: String endCursor: String }
  type Site @key(fields: "id") { id: ID! costCentre: CostCentre }
  type Hub @key(fields: "code") { code: String rent: Int! costCentre: CostCentre }
`);
const centre = { code: 'CC-1', sites: sites.map((id) => ({ id })), hubs: hubs.map((code) => ({ code })) };
const resolvers = {
  Query: {
    costCentre: () => centre,
    costCentres: () => ({ nodes: [centre], pageInfo: { hasNextPage: false, hasPreviousPage: false } }),
  },
  Site: { costCentre: ({ id }) => (sites.includes(id) ? centre : null) },
  Hub: { rent: ({ code }) => 100 * code.length, costCentre: () => centre },
};
const schema = buildSubgraphSchema([{ typeDefs, resolvers }]);
const costs = createServer(async (request, response) => {
  const { query: source, variables: variableValues } = JSON.parse(await text(request));
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(await graphql({ schema, source, variableValues })));
});
costs.keepAliveTimeout = 60_000; // composing takes longer than the usual one on a machine with other work
costs.listen(0, '127.0.0.1');
await once(costs, 'listening');
const url = `http://127.0.0.1:${costs.address().port}/`;

const asked = [];
class Hub extends RemoteGraphQLDataSource {
  willSendRequest({ request, context }) {
    const shown = context?.token ?? token;
    request.http.headers.set('authorization', `Bearer ${shown}`);
    if (request.query.includes('_entities')) asked.push(request.variables.representations.length);
  }
}
const gateway = new ApolloGateway({
  supergraphSdl: new IntrospectAndCompose({
    subgraphs: [
      { name: 'connector', url: uri },
      { name: 'costs', url },
    ],
    introspectionHeaders: { authorization: `Bearer ${token}` },
  }),
  buildService: ({ name, url: address }) =>
    name === 'connector' ? new Hub({ url: address }) : new RemoteGraphQLDataSource({ url: address }),
});
const server = new ApolloServer({ gateway });
await server.start();

async function ask(query, context = {}) {
  asked.length = 0;
  const { body } = await server.executeOperation({ query }, { contextValue: context });
  const { data, errors = [] } = body.singleResult;
  const told = errors.map(({ path, message, extensions }) => ({ path, message, code: extensions.code }));
  return { data, errors: told, asked: [...asked] };
}

const outward = await ask(`{
  costCentres {
    pageInfo { hasNextPage }
    nodes { code sites { name tickets(first: 1) { totalCount } } hubs { name tier rent } }
  }
}`);
const inward = await ask('{ sites { nodes { name costCentre { code hubs { id } } } } }');
const foreign = await ask('{ costCentre(code: "CC-1") { sites { costCentre { code } name } } }', { token: 'wrong' });
const changed = await ask('mutation { syncSource(input: { sourceId: "x", idempotencyKey: "k" }) { errors { code } } }');

const { data } = await (
  await fetch(uri, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: '{ _service { sdl } }' }),
  })
).json();
const composed = composeServices([
  { name: 'connector', url: uri, typeDefs: parse(data._service.sdl) },
  { name: 'costs', url, typeDefs },
]);
const composition = compositionHasErrors(composed) ? composed.errors.map(({ message }) => message) : [];

console.log(JSON.stringify({ outward, inward, foreign, changed, composition }));
await server.stop();
costs.closeAllConnections();
costs.close();
