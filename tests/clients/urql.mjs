// Two pages, by GET and by POST, and a mutation that is refused: node urql.mjs URL TICKET
import { Client, cacheExchange, fetchExchange, gql } from 'urql';

const [url, ticket] = process.argv.slice(2);
const TICKETS = gql`
  query Page($first: Int!, $after: String) {
    tickets(first: $first, after: $after, orderBy: [{ field: NUMBER }]) {
      nodes { id number }
      pageInfo { hasNextPage endCursor }
    }
  }
`;
const RESERVE = gql`
  mutation Reserve($ticket: ID!) {
    reserve(input: { ticketId: $ticket, idempotencyKey: "urql" }) {
      reservation { id }
      errors { __typename code message hint }
    }
  }
`;

async function pages(preferGetMethod) {
  const methods = [];
  const counted = (address, options) => {
    methods.push(options.method);
    return fetch(address, options);
  };
  const client = new Client({ url, preferGetMethod, fetch: counted, exchanges: [cacheExchange, fetchExchange] });
  const numbers = [];
  let after = null;
  do {
    const { data, error } = await client.query(TICKETS, { first: 2, after }).toPromise();
    if (error) throw error;
    numbers.push(...data.tickets.nodes.map(({ number }) => number));
    after = data.tickets.pageInfo.hasNextPage ? data.tickets.pageInfo.endCursor : null;
  } while (after !== null);
  return { client, numbers, methods: [...methods] };
}

const { client, ...posted } = await pages(false);
const { client: _, ...got } = await pages('force');
const { data, error } = await client.mutation(RESERVE, { ticket }).toPromise();
const wrong = (await client.query(gql`query Wrong { nothing }`, {}).toPromise()).error;
console.log(
  JSON.stringify({
    posted,
    got,
    refused: data?.reserve,
    error: error ?? null,
    wrong: { codes: wrong.graphQLErrors.map(({ extensions }) => extensions.code), network: wrong.networkError ?? null },
  }),
);
