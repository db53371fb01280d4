// Two pages through the cache, by GET and by POST, and a mutation that is refused: node apollo.mjs URL TICKET
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { relayStylePagination } from '@apollo/client/utilities';

const [uri, ticket] = process.argv.slice(2);
const TICKETS = gql`
  query Page($first: Int!, $after: String) {
    tickets(first: $first, after: $after, orderBy: [{ field: NUMBER }]) {
      edges { cursor node { id number } }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const RESERVE = gql`
  mutation Reserve($ticket: ID!) {
    reserve(input: { ticketId: $ticket, idempotencyKey: "apollo" }) {
      reservation { id }
      errors { __typename code message hint }
    }
  }
`;

async function pages(useGETForQueries) {
  const methods = [];
  const counted = (address, options) => {
    methods.push(options.method);
    return fetch(address, options);
  };
  const client = new ApolloClient({
    link: new HttpLink({ uri, useGETForQueries, fetch: counted }),
    cache: new InMemoryCache({ typePolicies: { Query: { fields: { tickets: relayStylePagination() } } } }),
  });
  const page = client.watchQuery({ query: TICKETS, variables: { first: 2 } });
  await client.query({ query: TICKETS, variables: { first: 2 } });
  const { endCursor } = client.readQuery({ query: TICKETS, variables: { first: 2 } }).tickets.pageInfo;
  await page.fetchMore({ variables: { after: endCursor } });
  const { tickets } = client.readQuery({ query: TICKETS, variables: { first: 2 } });
  const numbers = tickets.edges.map(({ node }) => node.number);
  return { client, numbers, methods: [...methods] };
}

const { client, ...posted } = await pages(false);
const { client: other, ...got } = await pages(true);
const { data, error } = await client.mutate({ mutation: RESERVE, variables: { ticket } });
const wrong = await client
  .query({ query: gql`query Wrong { nothing }`, errorPolicy: 'all' })
  .then((result) => result.error ?? null);
console.log(
  JSON.stringify({
    posted,
    got,
    refused: data.reserve,
    error: error ?? null,
    wrong: wrong && { name: wrong.name, codes: wrong.errors?.map(({ extensions }) => extensions.code) },
  }),
);
client.stop();
other.stop();
