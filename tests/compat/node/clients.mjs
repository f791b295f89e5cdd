// node's `pgvector` with `pg` and with Knex. Both send and read text: numbers as JavaScript prints
// them go in, and the shortest text of a float4 must come back as the same number.

import assert from 'node:assert/strict';
import test from 'node:test';
import knex from 'knex';
import pg from 'pg';
import 'pgvector/knex';
import pgvector, { SparseVector } from 'pgvector';
import { registerTypes } from 'pgvector/pg';

const ROWS = { 1: [1, 1, 1], 2: [2, 2, 2], 3: [1, 1, 2] };
const QUERY = ROWS[1];
const DISTANCES = [
  ['<->', 'l2', 'l2Distance', [[1, 0], [3, 1], [2, Math.sqrt(3)]]],
  ['<#>', 'ip', 'maxInnerProduct', [[2, -6], [3, -4], [1, -3]]],
  ['<=>', 'cosine', 'cosineDistance', [[1, 0], [2, 0], [3, 0.05719095841793653]]],
  ['<+>', 'l1', 'l1Distance', [[1, 0], [3, 1], [2, 3]]],
];
const BITS = { 1: '101', 2: '111', 3: '000' };
const BIT_DISTANCES = [
  ['<~>', 'hamming', 'hammingDistance', [[1, 0], [2, 1], [3, 2]]],
  ['<%>', 'jaccard', 'jaccardDistance', [[1, 0], [2, 1 - 2 / 3], [3, 1]]],
];
// type -> how a row of numbers is written
const KINDS = {
  vector: (row) => row,
  halfvec: (row) => row,
  sparsevec: (row) => new SparseVector(row),
};

const pairs = (rows) => rows.map(({ id, distance }) => [id, distance]).sort((a, b) => a[1] - b[1] || a[0] - b[0]);

async function connected(body) {
  const client = new pg.Client();
  await client.connect();
  try {
    await registerTypes(client);
    await body(client);
  } finally {
    await client.end();
  }
}

test('pg: values come back', () => connected(async (client) => {
  const vector = [0.5, -2.5e-7, 1e21, 3.4028235e38, 1e-45, 0];
  const halfvec = [0.5, -65504, 5.9604645e-8, 0];
  const sparsevec = new SparseVector({ 2: 1.5, 999999999: -2 }, 1000000000);
  const { rows } = await client.query('SELECT $1::vector AS v, $2::halfvec AS h, $3::sparsevec AS s, $4::bit(3) AS b, NULL::vector AS n', [
    pgvector.toSql(vector), pgvector.toSql(halfvec), pgvector.toSql(sparsevec), '101',
  ]);
  assert.deepEqual({ ...rows[0] }, { v: vector, h: halfvec, s: sparsevec, b: '101', n: null });
}));

for (const [kind, write] of Object.entries(KINDS)) {
  for (const [operator, name, , nearest] of DISTANCES) {
    test(`pg: an index on ${kind} finds the nearest by ${operator} at exact distances`, () => connected(async (client) => {
      await client.query(`CREATE TEMP TABLE items (id int, embedding ${kind}(3))`);
      for (const [id, row] of Object.entries(ROWS)) {
        await client.query('INSERT INTO items VALUES ($1, $2)', [id, pgvector.toSql(write(row))]);
      }
      await throughIndex(client, `${kind}_${name}_ops`, operator, pgvector.toSql(write(QUERY)), nearest);
      const { rows } = await client.query('SELECT embedding FROM items ORDER BY id');
      assert.deepEqual(rows.map((row) => row.embedding), Object.values(ROWS).map(write));
    }));
  }
}

for (const [operator, name, , nearest] of BIT_DISTANCES) {
  test(`pg: an index on bit finds the nearest by ${operator}`, () => connected(async (client) => {
    await client.query('CREATE TEMP TABLE items (id int, embedding bit(3))');
    for (const [id, bits] of Object.entries(BITS)) {
      await client.query('INSERT INTO items VALUES ($1, $2)', [id, bits]);
    }
    await throughIndex(client, `bit_${name}_ops`, operator, '101', nearest);
  }));
}

async function throughIndex(client, operatorClass, operator, query, nearest) {
  await client.query(`CREATE INDEX nearest ON items USING hnsw (embedding ${operatorClass})`);
  await client.query('SET enable_seqscan = off');
  const select = `SELECT id, embedding ${operator} $1 AS distance FROM items ORDER BY embedding ${operator} $1 LIMIT 3`;
  const plan = await client.query(`EXPLAIN ${select}`, [query]);
  assert.match(JSON.stringify(plan.rows), /Index Scan using nearest/);
  assert.deepEqual(pairs((await client.query(select, [query])).rows), nearest);
}

test('pg: a wrong length is an error and the connection goes on', () => connected(async (client) => {
  await client.query('CREATE TEMP TABLE items (embedding vector(3))');
  await assert.rejects(client.query('INSERT INTO items VALUES ($1)', ['[1,2]']), {
    code: '22000',
    message: 'expected 3 dimensions, not 2',
  });
  assert.equal((await client.query('SELECT * FROM items')).rowCount, 0);
}));

test('Knex: a schema with each type and an index, and the nearest rows by each distance', async () => {
  const db = knex({ client: 'pg', connection: {} });
  try {
    await db.schema.dropTableIfExists('knex_items');
    await db.schema.createTable('knex_items', (table) => {
      table.integer('id').primary();
      table.vector('vector', 3);
      table.halfvec('halfvec', 3);
      table.sparsevec('sparsevec', 3);
      table.specificType('bit', 'bit(3)');
      table.index(db.raw('vector vector_l2_ops'), 'knex_nearest', 'hnsw');
    });
    await db('knex_items').insert(Object.entries(ROWS).map(([id, row]) => ({
      id, vector: pgvector.toSql(row), halfvec: pgvector.toSql(row), sparsevec: new SparseVector(row).toPostgres(), bit: BITS[id],
    })));
    const { rows } = await db.raw("SELECT amname FROM pg_class JOIN pg_am a ON relam = a.oid WHERE relname = 'knex_nearest'");
    assert.deepEqual(rows, [{ amname: 'hnsw' }]);
    const found = async (column, method, query) => {
      const distance = db.queryBuilder()[method](column, query);
      return pairs(await db('knex_items').select('id', db.raw('? AS distance', [distance])).orderBy(distance));
    };
    for (const [, , method, nearest] of DISTANCES) {
      for (const [kind, write] of Object.entries(KINDS)) {
        assert.deepEqual(await found(kind, method, write(QUERY)), nearest, `${kind} ${method}`);
      }
    }
    for (const [, , method, nearest] of BIT_DISTANCES) {
      assert.deepEqual(await found('bit', method, '101'), nearest, method);
    }
  } finally {
    await db.destroy();
  }
});
