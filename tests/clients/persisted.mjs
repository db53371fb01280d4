// One query three times through Apollo's link for persisted queries, by two clients: node persisted.mjs URL
import { createHash } from 'node:crypto';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';

const [uri] = process.argv.slice(2);
const COUNT = gql`
  query Count {
    tickets {
      totalCount
    }
  }
`;
const sent = [];

function client() {
  const counted = (address, options) => {
    const { searchParams } = new URL(address);
    const body = options.body ? JSON.parse(options.body) : {};
    sent.push({ method: options.method, query: searchParams.has('query') || 'query' in body });
    return fetch(address, options);
  };
  const persisted = new PersistedQueryLink({
    sha256: (text) => createHash('sha256').update(text).digest('hex'),
    useGETForHashedQueries: true,
  });
  return new ApolloClient({ link: persisted.concat(new HttpLink({ uri, fetch: counted })), cache: new InMemoryCache() });
}

const counts = [];
const [first, second] = [client(), client()];
for (const one of [first, first, second]) {
  const { data } = await one.query({ query: COUNT, fetchPolicy: 'network-only' });
  counts.push(data.tickets.totalCount);
}
console.log(JSON.stringify({ counts, sent }));
first.stop();
second.stop();
