// A mercurius server as people write it: fastify, JIT, one loader per relation, statements on pg.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.MODULES}/`);
const { default: fastify } = await import(require.resolve('fastify'));
const { default: mercurius } = await import(require.resolve('mercurius'));
const { GraphQLScalarType } = require('graphql');
const pg = require('pg');

const pool = new pg.Pool({ connectionString: process.env.DATABASE, max: 10 });
const rows = async (text, values) => (await pool.query({ name: text.slice(0, 63), text, values })).rows;
const schema = readFileSync(process.env.SCHEMA, 'utf8');

const TICKET = `id, number, title, upper(type) AS type, priority, upper(state) AS state, category, requester, quantity, opened_at AS "openedAt",
  sla_due_at AS "slaDueAt", asset_id, site_id`;
const ASSET = 'id, name, serial, asset_tag AS "assetTag", upper(state) AS state, upper(lane) AS lane, site_id';
const SITE = 'id, name, code, country, time_zone AS "timeZone", latitude, longitude';
const SHIPMENT = `id, tracking_number AS "trackingNumber", upper(status) AS status, upper(direction) AS direction, carrier, service,
  cost_cents AS "costCents", ticket_id`;

const byId = (table, columns, key) => async (queries) => {
  const ids = [...new Set(queries.map(({ obj }) => obj[key]).filter((id) => id !== null))];
  const found = await rows(`SELECT /* ${table} */ ${columns} FROM ${table} WHERE id = ANY($1)`, [ids]);
  const known = new Map(found.map((row) => [row.id, row]));
  return queries.map(({ obj }) => known.get(obj[key]) ?? null);
};
const byParent = (table, columns, key) => async (queries) => {
  const found = await rows(
    `SELECT /* ${table} */ ${columns} FROM ${table} WHERE ${key} = ANY($1) ORDER BY id`, [queries.map(({ obj }) => obj.id)],
  );
  const grouped = Map.groupBy(found, (row) => row[key]);
  return queries.map(({ obj }) => grouped.get(obj.id) ?? []);
};
const firstByParent = (table, columns, key) => async (queries) => {
  const first = Math.max(...queries.map(({ params }) => params.first));
  const found = await rows(
    `SELECT * FROM (SELECT /* ${table} */ ${columns}, row_number() OVER (PARTITION BY ${key} ORDER BY id) AS row
       FROM ${table} WHERE ${key} = ANY($1) AND retired_at IS NULL) AS numbered WHERE row <= $2 ORDER BY id`,
    [queries.map(({ obj }) => obj.id), first],
  );
  const grouped = Map.groupBy(found, (row) => row[key]);
  return queries.map(({ obj, params }) => ({ nodes: (grouped.get(obj.id) ?? []).slice(0, params.first) }));
};

const resolvers = {
  DateTime: new GraphQLScalarType({
    name: 'DateTime',
    serialize: (value) => value.toISOString().replace('.000Z', 'Z'),
  }),
  Query: {
    sites: async (_, { first }) => ({
      nodes: await rows(`SELECT ${SITE} FROM site WHERE retired_at IS NULL ORDER BY id LIMIT $1`, [first]),
    }),
    tickets: async (_, { first, filter, orderBy }) => {
      const values = [first];
      const tests = Object.entries(filter ?? {}).map(([name, { eq }]) => `AND ${name} = $${values.push(name === 'state' ? eq.toLowerCase() : eq)}`);
      const order = [...(orderBy ?? []).map((key) => `${key.field.toLowerCase()} ${key.direction}`), 'id'];
      return {
        nodes: await rows(
          `SELECT /* ${tests.length} ${order.length} */ ${TICKET} FROM ticket WHERE retired_at IS NULL
           ${tests.join(' ')} ORDER BY ${order.join(', ')} LIMIT $1`, values,
        ),
      };
    },
    ticket: async (_, { id }) => {
      const key = Buffer.from(id, 'base64').toString().split(':')[1];
      return (await rows(`SELECT /* one */ ${TICKET} FROM ticket WHERE id = $1`, [key]))[0] ?? null;
    },
    ticketAggregate: async (_, { filter, groupBy }) => {
      const values = [];
      const tests = Object.entries(filter ?? {}).map(([name, { eq }]) => `AND ${name} = $${values.push(name === 'state' ? eq.toLowerCase() : eq)}`);
      const names = groupBy.map(({ field }) => field.toLowerCase()).join(', ');
      const groups = await rows(
        `SELECT /* ${tests.length} ${names} */ ${names}, count(*)::int AS count FROM ticket WHERE retired_at IS NULL
         ${tests.join(' ')} GROUP BY ${names} ORDER BY ${names}`, values,
      );
      return { groups: groups.map(({ count, ...key }) => ({ key, count })) };
    },
  },
};
const loaders = {
  Site: { assets: firstByParent('asset', ASSET, 'site_id') },
  Asset: { tickets: firstByParent('ticket', TICKET, 'asset_id') },
  Ticket: {
    asset: byId('asset', ASSET, 'asset_id'),
    site: byId('site', SITE, 'site_id'),
    shipments: byParent('shipment', SHIPMENT, 'ticket_id'),
  },
};

const app = fastify();
app.register(mercurius, { schema, resolvers, loaders, jit: 1 });
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) });
